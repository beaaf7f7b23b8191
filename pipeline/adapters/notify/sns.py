"""Send notifications to an SNS topic."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.topics import Topic
from pipeline.adapters.notify.target import SendError
from pipeline.core.errors import PipelineError
from pipeline.core.notifications.notification import Notification, document, plain_text


@dataclass(frozen=True, kw_only=True)
class SnsTopic:
    """One topic, by its ARN."""

    clients: Clients
    arn: str
    link: str = ""

    def __call__(self, notification: Notification) -> None:
        """Send a notification; raises SendError."""
        try:
            Topic(self.clients, self.arn).publish(
                key=notification.key,
                group=notification.environment,
                subject=notification.heading,
                text=plain_text(notification, self.link),
                document=document(notification, self.link),
                attributes={
                    "app": notification.app,
                    "environment": notification.environment,
                    "event": str(notification.occasion),
                },
            )
        except PipelineError as error:
            raise SendError(f"{error.what}; {error.remedy}") from error
