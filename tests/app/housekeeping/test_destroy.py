"""What `destroy` deletes, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.app.abort import abort
from pipeline.app.housekeeping.destroy import destroy
from pipeline.app.recover import recover
from pipeline.core.errors import RefusedError
from pipeline.core.health.observation import Balancer
from pipeline.core.state.deployment import Deployment, Kind, Result
from pipeline.ui.deployment_text import format_ending, format_request
from tests.app.session_fakes import FakeEnvironment, KilledError

OTHER = Balancer(kind="elb", identifier="other", name="other")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> FakeEnvironment:
    made = FakeEnvironment(monkeypatch)
    document = made.fake.document
    made.fake.document = replace(document.without("r000002"), deployment=None)
    made.fake.calls.clear()
    return made


def run(environment: FakeEnvironment, *, yes: bool = True, with_traffic: bool = True) -> Deployment:
    done = destroy(environment.app, "staging", lambda _: yes, with_traffic=with_traffic)
    assert done
    assert done.outcome
    return done


def test_a_serving_group_refuses_a_destroy_and_the_error_names_the_option(
    environment: FakeEnvironment,
) -> None:
    before = environment.fake.document
    with pytest.raises(RefusedError) as raised:
        run(environment, with_traffic=False)
    assert "web-staging-r000001 receives traffic from" in raised.value.what
    assert raised.value.remedy.endswith("ami-pipeline destroy -e staging --with-traffic")
    assert (environment.fake.document, environment.fake.changed) == (before, [])


def test_traffic_that_the_configuration_does_not_name_is_not_ended(
    environment: FakeEnvironment,
) -> None:
    environment.fake.attach_by_hand(1, OTHER)
    with pytest.raises(RefusedError) as raised:
        run(environment)
    assert "[environments.staging] does not name load balancer other" in raised.value.what
    assert raised.value.remedy.startswith("aws autoscaling detach-traffic-sources")
    assert environment.fake.changed == []


def test_a_destroy_with_traffic_detaches_and_deletes_every_group(
    environment: FakeEnvironment,
) -> None:
    done = run(environment)
    assert done.outcome
    assert done.outcome.result is Result.PROMOTED, done.outcome
    assert [each.name for each in done.phases] == ["drain", "retire"]
    document = environment.fake.document
    assert (document.serving, dict(document.releases), document.deployment) == ("", {}, None)
    assert [each.release for each in document.retired][:1] == ["r000001"]
    assert environment.fake.violations == []
    assert format_request(done) == "destroy staging"
    assert format_ending(done).startswith("destroyed: no managed release serves staging")


def test_a_destroy_that_is_not_confirmed_changes_nothing(environment: FakeEnvironment) -> None:
    before = environment.fake.document
    assert destroy(environment.app, "staging", lambda _: False, with_traffic=True) is None
    assert (environment.fake.document, environment.fake.changed) == (before, [])


@pytest.mark.parametrize("call", ["detach!", "plan", "apply", "apply!"])
def test_a_killed_destroy_is_finished_by_the_same_command_or_recover_and_not_undone(
    environment: FakeEnvironment, call: str
) -> None:
    def kill(_: int, name: str) -> None:
        if name == call:
            raise KilledError

    environment.fake.fail = kill
    with pytest.raises(KilledError):
        run(environment)
    environment.fake.fail = lambda *_: None
    with pytest.raises(RefusedError, match="too late to undo"):
        abort(environment.app, "staging")
    done = recover(environment.app, "staging") if call == "plan" else run(environment)
    assert (done.id, done.kind) == (environment.fake.recorded[0].id, Kind.DESTROY)
    assert done.outcome
    assert done.outcome.result is Result.PROMOTED
    assert environment.fake.existing == environment.fake.state == set()
    assert environment.fake.document.deployment is None


def test_another_unfinished_deployment_and_an_empty_environment_refuse_a_destroy(
    environment: FakeEnvironment,
) -> None:
    fake = environment.fake
    before = fake.document
    fake.document = replace(before, deployment=environment.dead)
    with pytest.raises(RefusedError, match=f"{Kind.PROMOTE} .* is unfinished"):
        run(environment)
    fake.document = replace(before, releases={}, serving="")
    with pytest.raises(RefusedError, match="nothing to delete"):
        run(environment)
