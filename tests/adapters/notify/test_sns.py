from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.topics import Topic
from pipeline.adapters.notify.sns import SnsTopic
from pipeline.adapters.notify.target import SendError
from tests.core.notifications.examples import RUN, an_end

REGION = "eu-central-1"


class Queue:
    """A topic of moto with a queue that is subscribed to it."""

    def __init__(self, aws: Clients, name: str) -> None:
        import boto3  # noqa: PLC0415 - once moto is active

        fifo = {"FifoTopic": "true"} if name.endswith(".fifo") else {}
        wanted = {"FifoQueue": "true"} if fifo else {}
        self._sqs: Any = boto3.client("sqs", region_name=REGION)
        self.arn: str = aws.sns(REGION).create_topic(Name=name, Attributes=fifo)["TopicArn"]
        self._url = self._sqs.create_queue(QueueName=name, Attributes=wanted)["QueueUrl"]
        queue = self.arn.replace(":sns:", ":sqs:")
        aws.sns(REGION).subscribe(TopicArn=self.arn, Protocol="sqs", Endpoint=queue)

    def read(self) -> list[dict[str, Any]]:
        """Return the messages in the queue, as SNS wraps them."""
        found = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        return [json.loads(each["Body"]) for each in found.get("Messages", [])]


def test_a_program_gets_json_with_attributes_to_filter_by(aws: Clients) -> None:
    queue = Queue(aws, "deployments")
    SnsTopic(clients=aws, arn=queue.arn)(an_end())
    (message,) = queue.read()
    assert message["Subject"] == "web production: r000125 (1.5.0, ami-2) serves, 2m"
    assert json.loads(message["Message"])["link"] == RUN
    assert {name: each["Value"] for name, each in message["MessageAttributes"].items()} == {
        "app": "web",
        "environment": "production",
        "event": "promoted",
    }


def test_a_fifo_topic_drops_a_repeated_notification(aws: Clients) -> None:
    queue = Queue(aws, "deployments.fifo")
    for _ in range(2):
        SnsTopic(clients=aws, arn=queue.arn)(an_end())
    assert len(queue.read()) == 1


def test_a_subject_is_ascii_and_shorter_than_sns_allows(aws: Clients) -> None:
    queue = Queue(aws, "deployments")
    texts = {"key": "k", "group": "g", "text": "t", "subject": "é" * 300}
    Topic(aws, queue.arn).publish(document={}, attributes={}, **texts)
    assert queue.read()[0]["Subject"] == "?" * 99


def test_a_topic_that_does_not_exist_is_an_error_with_a_remedy(aws: Clients) -> None:
    arn = f"arn:aws:sns:{REGION}:123456789012:gone"
    with pytest.raises(SendError) as caught:
        SnsTopic(clients=aws, arn=arn)(an_end())
    assert "NotFound" in str(caught.value)
