from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.adapters.notify.github import GitHub as Sender
from pipeline.adapters.notify.github import state_of
from pipeline.adapters.notify.target import SendError
from pipeline.core.notifications.notification import Notification, Occasion
from pipeline.core.state.deployment import Deployment, Kind, Result
from tests.adapters.notify.receivers import TOKEN, GitHub, Receiver, receiving
from tests.core.notifications.examples import RUN, a_beginning, an_end, over, paused

COMMIT = "0a1b2c3"


def sender(server: Receiver, token: str = TOKEN, fallback: str = "") -> Sender:
    return Sender(api=server.url, repository="example/web", token=lambda: token, fallback=fallback)


def test_a_deployment_of_the_images_commit_gets_a_status_for_each_event() -> None:
    github = GitHub()
    with receiving(github) as server:
        for each in (a_beginning(COMMIT), an_end(paused(), COMMIT), an_end(commit=COMMIT)):
            sender(server)(each)
    assert github.deployments == {
        1: {
            "id": 1,
            "ref": COMMIT,
            "environment": "production",
            "payload": {"ami_pipeline": "20261121T154224Z-4f2a"},
            "description": "promote of r000125 (1.5.0, ami-2) began, to replace r000124",
        }
    }
    assert github.statuses[1] == [
        {
            "state": state,
            "description": description,
            "environment": "production",
            "log_url": RUN,
        }
        for state, description in (
            ("in_progress", "promote of r000125 (1.5.0, ami-2) began, to replace r000124"),
            ("pending", "promote of r000125 (1.5.0, ami-2) is paused before drain"),
            ("success", "r000125 (1.5.0, ami-2) serves, 2m"),
        )
    ]


@pytest.mark.parametrize(
    ("deployment", "state"),
    [
        (over(Result.ROLLED_BACK), "failure"),
        (over(Result.PROMOTED, Kind.ROLLBACK), "success"),
        (over(Result.NEEDS_ATTENTION), "error"),
        (over(Result.PROMOTED, Kind.REBUILD), "success"),
    ],
)
def test_each_outcome_has_a_state(deployment: Deployment, state: str) -> None:
    assert state_of(an_end(deployment)) == state


def test_a_repeated_notification_makes_no_second_deployment() -> None:
    github = GitHub()
    with receiving(github) as server:
        sender(server)(an_end(commit=COMMIT))
        github.deployments[1]["payload"] = '{"ami_pipeline": "20261121T154224Z-4f2a"}'
        sender(server)(an_end(commit=COMMIT))
    assert [len(github.deployments), len(github.statuses[1])] == [1, 2]


def test_an_image_without_a_commit_has_that_of_the_ci_job() -> None:
    github = GitHub()
    with receiving(github) as server:
        sender(server, fallback="main")(an_end())
        with pytest.raises(SendError, match=r"^no commit of the image is known"):
            sender(server)(replace(an_end(), deployment="other"))
    assert github.deployments[1]["ref"] == "main"


@pytest.mark.parametrize(
    ("token", "commit", "why"),
    [
        ("wrong", COMMIT, 'answered 401 Unauthorized: {"message": "Bad credentials"}'),
        (
            TOKEN,
            "fffffff",
            'answered 422 Unprocessable Entity: {"message": "No ref found for: fffffff"}',
        ),
    ],
)
def test_the_answer_of_github_is_the_error(token: str, commit: str, why: str) -> None:
    with receiving(GitHub()) as server, pytest.raises(SendError) as caught:
        sender(server, token)(an_end(commit=commit))
    assert str(caught.value) == why


def test_a_test_proves_the_permission_to_write_and_leaves_no_deployment() -> None:
    github = GitHub()
    test = Notification(
        key="production.test.1",
        occasion=Occasion.TEST,
        app="web",
        environment="production",
        at="2026-11-21T15:42:24+00:00",
        title="a test",
    )
    with receiving(github) as server:
        sender(server)(an_end(commit=COMMIT))
        sender(server, fallback=COMMIT)(test)
        assert [each.method for each in server.asked[-3:]] == ["POST", "POST", "DELETE"]
        sender(server)(test)
    assert (server.asked[-4].path, server.asked[-3].json()["ref"]) == ("/repos/example/web", "main")
    assert list(github.deployments) == [1]


def test_a_repository_must_be_known() -> None:
    unknown = Sender(api="https://127.0.0.1:1", repository="", token=lambda: TOKEN)
    with pytest.raises(SendError, match=r"^repository is not set, and neither is GITHUB_REPO"):
        unknown(a_beginning(COMMIT))
