"""What `abort` refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.app.abort import abort
from pipeline.core.errors import RefusedError
from tests.app.session_fakes import FakeEnvironment
from tests.core.deploy.fakes import BLUE


@pytest.mark.parametrize("blue", [BLUE, ""], ids=["blue", "no blue"])
@pytest.mark.parametrize("unhealthy", [False, True], ids=["green healthy", "green unhealthy"])
def test_an_abort_after_the_retirement_began_changes_nothing_and_names_the_commands(
    blue: str, unhealthy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = FakeEnvironment(monkeypatch)
    environment.stop_in("retire", decided=True)
    fake = environment.fake
    fake.unhealthy_groups = {"web-staging-r000002"} if unhealthy else set()
    assert fake.document.deployment
    dead = replace(fake.document.deployment, blue=blue)
    fake.document = before = replace(fake.document, deployment=dead)
    fake.calls.clear()
    with pytest.raises(RefusedError) as raised:
        abort(environment.app, "staging")
    deleted = "r000001 is being deleted" if blue else "old groups are being deleted"
    assert str(raised.value) == (
        f"abort staging:\n  too late to undo: r000002 serves and {deleted}\n"
        "next: ami-pipeline recover -e staging; "
        "or go back: ami-pipeline rollback -e staging"
    )
    assert (fake.document, fake.calls, fake.changed) == (before, [], [])


def test_an_abort_without_a_deployment_and_without_a_failed_group_reads_only_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = FakeEnvironment(monkeypatch)
    environment.fake.document = replace(environment.fake.document, deployment=None)
    with pytest.raises(RefusedError, match="no deployment is in flight"):
        abort(environment.app, "staging")
    assert environment.calls == ["configuration", "free lease", "document"]
