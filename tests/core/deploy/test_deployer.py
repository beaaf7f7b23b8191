"""Deployments with a failure at every call, and then at every call of the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from math import inf

import pytest

from pipeline.core.deploy.gates.all_healthy import AllHealthy
from pipeline.core.deploy.gates.watcher import GateWatcher
from pipeline.core.deploy.phase import Fleet, Phase
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.polling import Forecast
from pipeline.core.deploy.waiting import patient
from pipeline.core.deploy.ways_back import removal, rollback
from pipeline.core.errors import FailedError
from pipeline.core.events import Event, Message, PhaseBegan
from pipeline.core.freshness import Writes
from pipeline.core.hooks.hook import Hook, Point
from pipeline.core.state.deployment import Delays, Deployment, Kind, Policy, Result
from pipeline.core.validation.phases import HOLD
from tests.core.deploy.fakes import BLUE, GREEN, PLACE, POLICY, FakeCloud, begin, cloud
from tests.core.deploy.recoveries import failing

HOOK = Hook(at=Point.BEFORE_TRAFFIC, command=("true",), timeout=1.0)
LONGEST = 400  # more calls than any run here makes


def promote(fake: FakeCloud, *, keep: bool = False, **how: object) -> Deployment:
    blue = fake.document.serving
    warm = [name for name in fake.document.releases if name not in {blue, GREEN}]
    deployer = begin(fake, blue=blue, **how)  # type: ignore[arg-type]
    return deployer.run(promotion(blue, GREEN, warm=warm, keep=keep))


def refuse(name: str) -> None:
    raise FailedError(name, "refused", "wait")


def both(first: Callable[[int, str], None], second: int) -> Callable[[int, str], None]:
    def fail(number: int, name: str) -> None:
        first(number, name)
        failing(second, "before")(number, name)

    return fail


def calls_of(fake: FakeCloud) -> int:
    promote(fake)
    return len(fake.calls)


def outcome_of(done: Deployment) -> Result:
    assert done.outcome
    return done.outcome.result


@pytest.mark.parametrize("blue", [True, False], ids=["beside blue", "first release"])
def test_a_promotion_ends_with_green_serving_alone(blue: bool) -> None:
    fake = cloud(blue=blue)
    done = promote(fake)
    assert outcome_of(done) is Result.PROMOTED
    assert fake.serving == fake.existing == {GREEN}
    assert fake.document.serving == GREEN
    assert set(fake.document.releases) == {GREEN}
    assert fake.document.deployment is None
    assert fake.outages == []
    assert fake.groups["web-staging-r000002"].minimum == 1
    names = ["launch", "verify", "attach", "soak", "drain", "observe", "retire"]
    expected = names if blue else [name for name in names if name not in {"drain", "observe"}]
    assert [run.name for run in done.phases] == expected


def test_the_previous_release_stays_warm_if_configured() -> None:
    fake = cloud()
    promote(fake, keep=True, policy=replace(POLICY, keep=None))
    assert fake.serving == {GREEN}
    assert fake.existing == {BLUE, GREEN}
    assert fake.document.warm == (BLUE,)
    assert fake.document.releases[BLUE].warm_until == "next"
    assert [past.release for past in fake.document.retired] == [BLUE]


KINDS = ("before", "after", "signal")


@pytest.mark.parametrize("blue", [True, False], ids=["beside blue", "first release"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_at_any_call_ends_as_its_phase_says(kind: str, blue: bool) -> None:
    """Let the Nth call fail, for growing N, until a run is unaffected (the method of SQLite)."""
    for at, fake, done in sweep(blue, lambda at: failing(at, kind)):
        result = outcome_of(done)
        failed = done.outcome.phase if done.outcome else ""
        context = f"call {at}: {done.outcome}"
        assert fake.outages == [], context
        if failed == "retire":
            assert result is Result.NEEDS_ATTENTION, context
            assert fake.serving == {GREEN}, context
            assert fake.document.deployment == done, context
        else:
            assert result is Result.ROLLED_BACK, context
            assert fake.serving == fake.existing == ({BLUE} if blue else set()), context
            assert fake.state == fake.existing, context
            assert fake.document.deployment is None, context


@pytest.mark.parametrize(
    ("step", "failures"), [(15, 60), pytest.param(3, 300, marks=pytest.mark.long)]
)
def test_a_second_failure_on_the_way_back_needs_attention_and_causes_no_outage(
    step: int, failures: int
) -> None:
    seen = 0
    for at in range(1, calls_of(cloud()), step):
        for later in range(at + 1, at + LONGEST, 2):
            fake = cloud()
            fake.fail = both(failing(at, "before"), later)
            try:
                done = promote(fake)
            except FailedError:
                continue  # the last write: only the end of the deployment is not recorded
            if later > len(fake.calls):
                break
            seen += 1
            assert fake.outages == [], (at, later, done.outcome)
            assert fake.serving, (at, later, done.outcome)
            attention = outcome_of(done) is Result.NEEDS_ATTENTION
            assert (fake.document.deployment is not None) is attention
    assert seen > failures


@pytest.mark.parametrize("returns", [True, False], ids=["a way back", "no way back"])
def test_the_remedy_of_the_error_that_matters_is_in_the_outcome(returns: bool) -> None:
    """That of the way back, if it failed too; the first cause is in `reason` then."""
    fake = cloud()

    def fail(_: int, name: str) -> None:
        if name == "apply" and "adopt" not in fake.calls:
            raise FailedError("apply", "quota", "raise the quota")
        if name == "adopt" and not returns:
            raise FailedError("importing", "not tagged", "tag the group")

    fake.fail = fail
    done = promote(fake)
    assert done.outcome
    assert done.outcome.reason == "apply: quota"
    assert done.outcome.remedy == ("raise the quota" if returns else "tag the group")
    assert outcome_of(done) is (Result.ROLLED_BACK if returns else Result.NEEDS_ATTENTION)


def sweep(
    blue: bool, fault: Callable[[int], Callable[[int, str], None]]
) -> Iterator[tuple[int, FakeCloud, Deployment]]:
    """Yield every run with one failure; end once a failure does not affect its run."""
    last = calls_of(cloud(blue=blue))
    count = 0
    for at in range(1, last - 2):  # the last two calls only record the end
        fake = cloud(blue=blue)
        fake.fail = fault(at)
        done = promote(fake)
        if done.outcome and done.outcome.result is Result.PROMOTED:
            continue  # the failure came after an effect that is not needed
        count += 1
        yield at, fake, done
    assert count > last // 2


def test_no_api_is_called_twice_within_a_second() -> None:
    fake = cloud(warm=(3,))
    fake.unhealthy_groups.add("web-staging-r000002")
    promote(fake)
    for reads in (fake.group_reads, fake.target_reads):
        assert min(later - earlier for earlier, later in pairwise(reads)) >= 1


def test_groups_are_read_rarely_until_a_load_balancer_shows_a_healthy_member() -> None:
    fake = cloud()
    fake.registering = 42.3
    moments: dict[str, float] = {}

    def note(_: int, name: str) -> None:
        moments.setdefault(name, fake.time)

    fake.fail = note
    promote(fake, policy=replace(POLICY, healthy_checks=1, soak=0, observe=0))
    began, decided = moments["attach!"], moments["detach"]
    assert decided - (began + fake.registering) <= 1.1
    waited = [at for at in fake.group_reads if began < at < decided]
    heard = [at for at in fake.target_reads if began < at < decided]
    assert max(later - earlier for earlier, later in pairwise(heard)) <= 1.1
    assert len(heard) >= 42
    assert len(waited) <= 15


def test_targets_that_were_heard_do_not_count_after_another_observation() -> None:
    """A signal may arrive between the news and the observation that it causes."""
    fake = cloud()
    fake.add(2, attached=True)
    members = {member.id for member in fake.groups["web-staging-r000002"].members}
    fake.unhealthy_members |= members
    observer = begin(fake).reconciler.observer
    watcher = GateWatcher.begin(
        AllHealthy(GREEN),
        document=fake.document,
        place=PLACE,
        policy=POLICY,
        limit=60,
        known={},
        writes=Writes(),
    )
    watcher.wait.forecast = Forecast(due=100)
    watcher.add(observer.watch(watcher))
    fake.unhealthy_members.clear()
    observer.wait_for_next(watcher, fake.time + 100)
    heard = len(fake.target_reads)
    observer.observe([BLUE], targets=False)
    observer.watch(watcher)
    assert len(fake.target_reads) == heard + 1


def test_a_time_limit_is_exact_even_between_rare_observations() -> None:
    fake = cloud()
    fake.registering = 1000
    done = promote(fake, policy=replace(POLICY, deadline=58))
    (attach,) = [run for run in done.phases if run.name == "attach"]
    assert "gave up after 58s" in attach.fault
    assert attach.seconds <= 58 + 1.1


def test_a_failed_green_is_removed_even_if_a_member_of_blue_is_unhealthy() -> None:
    fake = cloud()
    fake.unhealthy_groups.add("web-staging-r000002")
    fake.unhealthy_members.add("i-1")
    done = promote(fake)
    assert outcome_of(done) is Result.ROLLED_BACK
    assert fake.serving == fake.existing == {BLUE}


def test_the_way_back_creates_no_group() -> None:
    fake = cloud()
    applied: list[str] = []

    def first(_: int, name: str) -> None:
        if name == "apply" and not applied:
            applied.append(name)
            refuse(name)

    fake.fail = first
    done = promote(fake)
    assert outcome_of(done) is Result.ROLLED_BACK
    assert fake.made == 2  # blue's members
    assert fake.existing == {BLUE}


@pytest.mark.parametrize("phase", [phase.name for phase in promotion(BLUE, GREEN)])
def test_a_deployment_waits_while_aws_does_not_answer(phase: str) -> None:
    fake = cloud()
    blinded = at_phase(phase, lambda: setattr(fake, "failing_reads", 10))
    done = begin(fake, report=blinded).run(promotion(BLUE, GREEN))
    assert outcome_of(done) is Result.PROMOTED
    assert fake.serving == fake.existing == {GREEN}
    assert fake.groups["web-staging-r000002"].minimum == 1
    assert fake.outages == []


def signalling(at: str, count: int) -> Callable[[int, str], None]:
    """Return a function that lets signals arrive in the first call of this name."""
    came = False

    def fail(_: int, name: str) -> None:
        nonlocal came
        if name == at and not came:
            came = True
            fake.signals += count
            raise KeyboardInterrupt

    fake = cloud()
    fail.fake = fake  # type: ignore[attr-defined]
    fake.fail = fail
    return fail


@pytest.mark.parametrize("call", ["apply", "attach", "resize", "hook", "detach"])
def test_a_second_signal_before_the_first_is_answered_stops_at_once(call: str) -> None:
    hook = HOOK
    policy = replace(POLICY, hooks=(hook,))
    for count, expected in ((1, Result.ROLLED_BACK), (2, Result.NEEDS_ATTENTION)):
        fake: FakeCloud = signalling(call, count).fake  # type: ignore[attr-defined]
        fake.groups["web-staging-r000001"].desired = 3
        fake._grow(fake.groups["web-staging-r000001"])
        done = promote(fake, policy=policy)
        assert outcome_of(done) is expected
        assert done.outcome
        assert done.outcome.interrupted
        assert BLUE in fake.serving
        if expected is Result.NEEDS_ATTENTION:
            assert fake.document.deployment == done
            assert done.phases[-1].fault == "interrupted by a signal"
        else:
            assert fake.existing == {BLUE}


def test_a_signal_beside_another_failure_does_not_end_the_way_back() -> None:
    fake = cloud()

    def fail(_: int, name: str) -> None:
        if name == "apply" and not fake.journal.count(("intent", "delete")):
            fake.signals += 1
            raise FailedError("terraform apply", "no capacity", "wait")

    fake.fail = fail
    done = promote(fake)
    assert outcome_of(done) is Result.ROLLED_BACK
    assert done.outcome
    assert (done.outcome.reason, done.outcome.interrupted) == (
        "terraform apply: no capacity",
        False,
    )
    assert fake.signals == 0


def test_a_group_that_never_becomes_healthy_is_rolled_back() -> None:
    fake = cloud()
    fake.unhealthy_groups.add("web-staging-r000002")
    done = promote(fake)
    assert outcome_of(done) is Result.ROLLED_BACK
    assert done.outcome
    assert done.outcome.phase == "attach"
    assert fake.serving == fake.existing == {BLUE}
    assert fake.kept == {"evidence.txt": "evidence of web-staging-r000002"}
    assert done.outcome.last_lines == ("journal of i-1", "no database")
    assert done.outcome.unserved
    assert fake.outages == []


@pytest.mark.parametrize("unhealthy", [True, False])
def test_a_rollback_keeps_evidence_of_an_unhealthy_release(unhealthy: bool) -> None:
    fake = cloud()
    promote(fake, keep=True)
    if unhealthy:
        fake.unhealthy_groups.add("web-staging-r000002")
    deployer = begin(fake, kind=Kind.ROLLBACK, blue=GREEN, green=BLUE)
    fleet = Fleet(serving=frozenset({GREEN}), detached=frozenset({BLUE}))
    done = deployer.run(rollback(BLUE, GREEN, fleet))
    assert outcome_of(done) is Result.PROMOTED
    assert fake.existing == {BLUE}
    kept = {"evidence.txt": "evidence of web-staging-r000002"} if unhealthy else {}
    assert fake.kept == kept
    assert done.outcome
    assert bool(done.outcome.evidence) is unhealthy
    assert fake.calls.index("evidence") > fake.calls.index("detach") if unhealthy else True


def test_a_failed_green_stays_detached_if_requested() -> None:
    fake = cloud()
    fake.unhealthy_groups.add("web-staging-r000002")
    done = promote(fake, keep_failed=True)
    assert outcome_of(done) is Result.ROLLED_BACK
    assert fake.serving == {BLUE}
    assert fake.existing == {BLUE, GREEN}
    assert fake.document.releases[GREEN].failed
    assert fake.document.warm == ()


@pytest.mark.parametrize("failing", ["a hook", "health"])
def test_a_fix_that_fails_is_rolled_back_to_an_unhealthy_blue(failing: str) -> None:
    fake = cloud()
    fake.unhealthy_groups.add("web-staging-r000001")
    fake.has_served = False  # no group serves before, so none serves after
    policy = POLICY
    if failing == "a hook":
        policy = replace(POLICY, hooks=(replace(HOOK, command=("false",)),))
    else:
        fake.unhealthy_groups.add("web-staging-r000002")
    done = promote(fake, policy=policy)
    assert outcome_of(done) is Result.ROLLED_BACK
    assert fake.serving == fake.existing == {BLUE}


def test_a_green_with_traffic_stays_if_blue_has_no_healthy_member() -> None:
    fake = cloud()
    policy = replace(POLICY, alarms=("web-5xx",))

    def ring() -> None:
        fake.firing = ("web-5xx: too many",)
        fake.unhealthy_groups.add("web-staging-r000001")

    done = begin(fake, policy=policy, report=at_phase("soak", ring)).run(promotion(BLUE, GREEN))
    assert outcome_of(done) is Result.NEEDS_ATTENTION
    assert fake.serving == {BLUE, GREEN}
    assert fake.outages == []


def test_a_failed_hook_ends_the_promotion_before_green_has_traffic() -> None:
    fake = cloud()
    hook = replace(HOOK, command=("false",))
    done = promote(fake, policy=replace(POLICY, hooks=(hook,)))
    assert done.outcome
    assert (done.outcome.phase, done.outcome.reason) == (
        "verify",
        "before-traffic hook false: exit code 1",
    )
    assert ("attach", GREEN) not in fake.changed
    assert fake.existing == {BLUE}


def test_a_firing_alarm_in_the_soak_rolls_back() -> None:
    fake = cloud()
    fake.firing = ("web-5xx is in ALARM: Threshold Crossed",)
    done = promote(fake, policy=replace(POLICY, alarms=("web-5xx",)))
    assert done.outcome
    assert done.outcome.phase == "soak"
    assert "web-5xx is in ALARM: Threshold Crossed" in done.outcome.reason
    assert fake.serving == {BLUE}


@pytest.mark.parametrize("phase", ["soak", "observe"])
def test_a_green_that_becomes_unhealthy_while_it_serves_is_rolled_back(phase: str) -> None:
    fake = cloud()
    deployer = begin(
        fake, report=at_phase(phase, lambda: fake.unhealthy_groups.add("web-staging-r000002"))
    )
    done = deployer.run(promotion(BLUE, GREEN))
    assert done.outcome
    assert done.outcome.phase == phase
    assert "became unhealthy" in done.outcome.reason
    assert fake.serving == fake.existing == {BLUE}


def at_phase(name: str, action: Callable[[], object]) -> Callable[[Event], None]:
    def report(event: Event) -> None:
        if isinstance(event, PhaseBegan) and event.name == name:
            action()

    return report


@pytest.mark.parametrize("phase", ["attach", "soak"])
def test_green_grows_with_blue_before_it_takes_over(phase: str) -> None:
    fake = cloud()

    def scale_out() -> None:
        blue = fake.groups["web-staging-r000001"]
        blue.desired, blue.maximum = 5, 9
        fake._grow(blue)

    deployer = begin(fake, report=at_phase(phase, scale_out))
    done = deployer.run(promotion(BLUE, GREEN))
    assert outcome_of(done) is Result.PROMOTED
    green = fake.groups["web-staging-r000002"]
    assert (green.desired, green.maximum) == (5, 5)
    assert fake.outages == []


def test_blue_is_never_resized_or_detached_before_green_is_proven() -> None:
    fake = cloud()
    fake.unhealthy_groups.add("web-staging-r000002")
    promote(fake)
    assert "web-staging-r000001" not in fake.resized
    before_back = fake.journal[: fake.journal.index(("intent", "delete"))]
    assert before_back.count(("intent", "detach")) == 1  # green, on the way back


def test_a_rollback_to_a_warm_group_needs_no_terraform_until_it_serves() -> None:
    fake = cloud(warm=(3,))
    fake.document = replace(fake.document, next=4)
    warm = fake.groups["web-staging-r000003"]
    warm.desired = 1
    del warm.members[1:]
    deployer = begin(fake, kind=Kind.ROLLBACK, blue=BLUE, green="r000003")
    fleet = Fleet(serving=frozenset({BLUE}), detached=frozenset({"r000003"}))
    done = deployer.run(rollback("r000003", BLUE, fleet))
    assert outcome_of(done) is Result.PROMOTED
    assert fake.serving == fake.existing == {"r000003"}
    assert fake.document.serving == "r000003"
    assert warm.desired == 2  # the size of the release that served before
    assert fake.calls.index("apply") > fake.calls.index("detach")
    assert fake.outages == []


def test_the_last_serving_group_is_never_detached() -> None:
    fake = cloud()
    deployer = begin(fake)
    launch = promotion("", GREEN)[0]
    detached = Phase("odd", Fleet(detached=frozenset({BLUE})), launch.gate, HOLD)
    done = deployer.run([detached])
    assert outcome_of(done) is Result.NEEDS_ATTENTION
    assert fake.serving == {BLUE}


def test_a_phase_ends_at_its_own_time_limit() -> None:
    fake = cloud()
    fake.unhealthy_groups.add("web-staging-r000002")
    began = fake.time
    policy = Policy(healthy_checks=2, deadline=9999, deadlines={"attach": 30})
    done = promote(fake, policy=policy)
    assert done.outcome
    assert "gave up after 30s" in done.outcome.reason
    assert fake.time - began < 120


LONG = 300.0
"""Seconds of a deregistration delay that is longer than the limit of every phase."""


@pytest.fixture
def _long_draining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.core.deploy.fakes.DRAIN", LONG)


@pytest.mark.usefixtures("_long_draining")
def test_a_drain_may_last_as_long_as_the_deregistration_delay_whatever_the_deadline_is() -> None:
    fake = cloud()
    policy = replace(POLICY, delays=Delays(drain=LONG), deadlines={"drain": 10.0})
    assert outcome_of(promote(fake, policy=policy)) is Result.PROMOTED
    assert fake.outages == []


@pytest.mark.usefixtures("_long_draining")
def test_the_way_back_waits_for_a_long_drain() -> None:
    fake = cloud()
    fake.firing = ("web-5xx: too many",)
    policy = replace(POLICY, delays=Delays(drain=LONG), alarms=("web-5xx",))
    assert outcome_of(promote(fake, policy=policy)) is Result.ROLLED_BACK
    assert fake.serving == {BLUE}


@pytest.mark.usefixtures("_long_draining")
def test_unknown_delays_are_read_in_the_phase_that_drains() -> None:
    fake = cloud()
    events: list[Event] = []
    deployer = begin(fake, report=events.append)
    deployer.read_delays = lambda: Delays(drain=LONG)
    assert outcome_of(deployer.run(promotion(BLUE, GREEN))) is Result.PROMOTED
    texts = [each.text for each in events if isinstance(each, Message)]
    assert texts == ["draining takes 5m: the limit of drain is 7m"]


@pytest.mark.usefixtures("_long_draining")
def test_a_drain_gives_up_at_its_deadline_if_the_delay_stays_unknown() -> None:
    fake = cloud()
    done = begin(fake).run(promotion(BLUE, GREEN))
    assert done.outcome
    assert (done.outcome.result, done.outcome.phase) == (Result.NEEDS_ATTENTION, "drain")
    assert "gave up after 1m" in done.outcome.reason


def test_blue_is_not_drained_before_the_slow_start_of_green_is_over() -> None:
    began: dict[str, float] = {}

    def duration(policy: Policy) -> float:
        fake = cloud()
        began.clear()

        def note(_: int, name: str) -> None:
            began.setdefault(name, fake.time)

        fake.fail = note
        assert outcome_of(promote(fake, policy=policy)) is Result.PROMOTED
        return began["detach"] - began["attach"]

    slow = replace(POLICY, delays=Delays(slow_start=120.0))
    usual = duration(POLICY)
    assert duration(slow) >= 120.0 > usual
    assert duration(replace(slow, waits_for_slow_start=False)) == usual


def test_a_lack_of_capacity_on_the_way_back_lasts_until_the_deadline() -> None:
    forward, back = promotion(BLUE, GREEN)[2], rollback(BLUE, GREEN, Fleet())[0]
    assert patient(POLICY, forward).patience == POLICY.patience
    assert patient(POLICY, back).patience == inf


def test_a_group_is_named_after_the_app_the_environment_and_the_release() -> None:
    fake = cloud()
    assert (
        begin(fake).reconciler.observer.group(GREEN) == f"{PLACE.app}-{PLACE.environment}-{GREEN}"
    )


def test_a_warm_release_is_overdue_after_its_time() -> None:
    fake = cloud()
    promote(fake, keep=True, policy=replace(POLICY, keep=3600.0))
    document = fake.document
    assert document.releases[BLUE].warm_until == "2026-01-01T01:00:00+00:00"
    assert document.overdue("2026-01-01T00:59:59+00:00") == ()
    assert document.overdue("2026-01-01T01:00:00+00:00") == (BLUE,)


def test_an_overdue_release_is_deleted_and_the_serving_one_unchanged() -> None:
    fake = cloud()
    promote(fake, keep=True, policy=replace(POLICY, keep=3600.0))
    fake.groups["web-staging-r000002"].minimum = 2  # a person raised it
    deployer = begin(fake, kind=Kind.RETIRE, blue=GREEN, green=GREEN, minimum=None)
    done = deployer.run(removal(GREEN, [BLUE], [BLUE]))
    assert outcome_of(done) is Result.PROMOTED
    assert fake.serving == fake.existing == fake.state == {GREEN}
    assert fake.groups["web-staging-r000002"].minimum == 2


def test_the_deletion_is_planned_while_the_targets_drain() -> None:
    fake = cloud(warm=(3,))
    promote(fake)
    assert fake.prepared == [frozenset({BLUE, "r000003"}), None]
    drained = fake.calls.index("detach")
    assert "plan" in fake.calls[drained:]


def test_a_prepared_deletion_is_discarded_if_green_fails() -> None:
    fake = cloud()

    def become_unhealthy(_: int, name: str) -> None:
        if name == "detach!":
            fake.unhealthy_groups.add("web-staging-r000002")

    fake.fail = become_unhealthy
    promote(fake)
    assert fake.prepared[0] == frozenset({BLUE})
    assert fake.prepared[-1] is None
    assert fake.serving == {BLUE}


def test_the_duration_of_a_release_saves_observations_of_the_next_one() -> None:
    fake = cloud()
    promote(fake)
    first = fake.document.releases[GREEN].ready
    assert first > 0
    observations = len(fake.group_reads)
    begin(fake, blue=GREEN, green="r000003").run(promotion(GREEN, "r000003", warm=(), keep=False))
    assert fake.document.serving == "r000003"
    assert len(fake.group_reads) - observations <= observations


def test_a_group_is_emptied_once_detached_and_before_terraform_deletes_it() -> None:
    fake = cloud(warm=(3,))
    promote(fake)
    assert fake.resized == [
        "web-staging-r000002",  # its minimum is restored
        "web-staging-r000001",
        "web-staging-r000003",
    ]
    last = len(fake.calls) - 1 - fake.calls[::-1].index("resize")
    assert fake.calls.index("detach") < last < fake.calls.index("apply", last)


@pytest.mark.parametrize("missing", ["r000003", BLUE])
def test_a_detached_group_deleted_by_hand_is_forgotten_with_the_next_deletion(
    missing: str,
) -> None:
    fake = cloud(warm=(3, 4))

    def vanish(_: int, name: str) -> None:
        if name == "detach!":
            fake.groups.pop(f"web-staging-{missing}", None)

    fake.fail = vanish
    policy = Policy(healthy_checks=2, soak=5, observe=5, deadline=60)
    deployer = begin(fake, blue=BLUE, policy=policy)
    spared = removal(GREEN, [BLUE, "r000003"], ["r000004"])
    phases = promotion(BLUE, GREEN, warm=["r000003", "r000004"], keep=True)
    done = deployer.run([*phases[:-1], *spared])
    assert outcome_of(done) is Result.PROMOTED, done
    assert set(fake.document.releases) == {BLUE, GREEN, "r000003"} - {missing}


def test_one_stale_observation_is_no_reason_to_forget_a_warm_group() -> None:
    fake, name = cloud(warm=(3, 4)), "web-staging-r000003"
    hidden = fake.groups[name]
    hiding: list[object] = []

    def hide_once(_: int, call: str) -> None:
        fake.groups[name] = hidden
        if call == "observe!" and not hiding:
            hiding.append(fake.groups.pop(name))

    fake.fail = hide_once
    deployer = begin(fake, kind=Kind.RETIRE, green=BLUE, blue=BLUE, minimum=None)
    deployer.run(removal(BLUE, ["r000003"], ["r000004"]))
    assert hiding
    assert set(fake.document.releases) == {BLUE, "r000003"}
