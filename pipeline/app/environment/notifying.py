"""Tell the targets of [[notify]] what happens to deployments, beside the command.

Without [[notify]] none of this is imported beyond this module, and no thread starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, assert_never

from pipeline.app.application import Application
from pipeline.core.events import DeploymentBegan, DeploymentEnded, Event, Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.adapters.notify.courier import Courier
    from pipeline.adapters.notify.target import Send, Target
    from pipeline.app.environment.reader import EnvironmentReader
    from pipeline.config.notify.settings import NotifySettings
    from pipeline.core.notifications.notification import Notification
    from pipeline.core.notifications.outbox import Outbox
    from pipeline.core.state.deployment import Deployment


def start_notifying(reader: EnvironmentReader) -> None:
    """Tell the targets of every deployment from now on, in the background.

    What an earlier command could not send is sent, too. The end of the command waits for a moment.
    """
    app = reader.app
    if not app.settings.notify:
        return
    from pipeline.adapters.notify.courier import Courier
    from pipeline.adapters.store.records.outboxes import Outboxes

    courier = Courier(
        Outboxes(reader.store, reader.environment),
        targets_of(app, reader.environment),
        now=reader.now,
        missed=partial(_missed, reader),
    )
    courier.start()
    app.at_end.append(partial(_finish, app, courier, reader.environment))

    def listen(event: Event) -> None:
        if isinstance(event, DeploymentBegan | DeploymentEnded):
            courier.tell(partial(_notification, reader, event))

    app.listeners.add(listen)


def _finish(app: Application, courier: Courier, environment: str) -> None:
    """Wait a moment for what is being sent, and report what was not."""
    for problem in courier.close():
        again = f"the next command that changes {environment} tries again"
        app.report(Message(text=f"not notified: {problem}; {again}"))


def _notification(
    reader: EnvironmentReader, event: DeploymentBegan | DeploymentEnded
) -> Notification | None:
    from pipeline.core.notifications import of_deployment

    make = of_deployment.began if isinstance(event, DeploymentBegan) else of_deployment.ended
    app, deployment = reader.app.settings.app, event.deployment
    return make(app, deployment, _commit(reader, deployment))


def _missed(reader: EnvironmentReader, outbox: Outbox) -> Notification | None:
    """Return how the last deployment ended if its run was killed before it journaled that."""
    from pipeline.core.notifications.of_deployment import ended

    began = outbox.newest_deployment
    deployment = reader.deployments.one(began) if began else None
    if deployment is None:
        return None
    missed = ended(reader.app.settings.app, deployment, _commit(reader, deployment))
    return missed if missed and outbox.find(missed.key) is None else None


def _commit(reader: EnvironmentReader, deployment: Deployment) -> str:
    """Return the commit of the image, for GitHub alone; empty if it is not recorded."""
    ami_id, changes = deployment.image, deployment.changes
    if changes and changes.commits.after:
        return changes.commits.after
    if not ami_id or not any(each.kind == "github" for each in reader.app.settings.notify):
        return ""
    from datetime import timedelta

    from pipeline.app.baked_images import records

    found = records(reader.app, reader.clients, timedelta()).find(reader.app.settings.app, ami_id)
    return found.commit if found else ""


def targets_of(app: Application, environment: str = "") -> list[Target]:
    """Return the targets of an environment, or all."""
    return [
        _target(app, each, environment)
        for each in app.settings.notify
        if not environment or not each.environments or environment in each.environments
    ]


def _target(app: Application, wanted: NotifySettings, environment: str) -> Target:
    from pipeline.adapters.notify.target import Target

    return Target(
        name=wanted.label,
        kind=wanted.kind,
        events=wanted.occasions,
        environments=frozenset(wanted.environments),
        send_to=_sender(app, wanted),
        masker=app.masker(environment),
    )


def _sender(app: Application, wanted: NotifySettings) -> Send:
    link = wanted.link or ""
    match wanted.kind:
        case "slack":
            from pipeline.adapters.notify.slack import Slack

            return Slack(url=_variable(app.environ, wanted.url_env or ""), link=link)
        case "webhook":
            from pipeline.adapters.notify.webhook import Webhook

            url = (lambda: wanted.url or "") if wanted.url else None
            return Webhook(
                url=url or _variable(app.environ, wanted.url_env or ""),
                secret=_variable(app.environ, wanted.secret_env or ""),
                link=link,
            )
        case "sns":
            from pipeline.adapters.aws.client import Clients
            from pipeline.adapters.notify.sns import SnsTopic

            clients = Clients(app.settings.region)
            return SnsTopic(clients=clients, arn=wanted.topic_arn or "", link=link)
        case "github":
            return _github(app.environ, wanted)
        case _:
            assert_never(wanted.kind)


def _github(environ: Mapping[str, str], wanted: NotifySettings) -> Send:
    from pipeline.adapters.notify.github import GitHub

    return GitHub(
        api=wanted.api_url or environ.get("GITHUB_API_URL") or "https://api.github.com",
        repository=wanted.repository or environ.get("GITHUB_REPOSITORY") or "",
        token=_variable(environ, wanted.token_env or "GITHUB_TOKEN"),
        link=wanted.link or "",
        fallback=environ.get("GITHUB_SHA", ""),
    )


def _variable(environ: Mapping[str, str], name: str) -> Callable[[], str]:
    """Return what reads a variable when a notification is sent; it raises SendError without."""
    from pipeline.adapters.notify.target import SendError

    def read() -> str:
        if value := environ.get(name, "").strip():
            return value
        raise SendError(f"the environment variable {name} is not set")

    return read
