"""Services without load balancers: a group serves while it runs, and its work ends before it goes.

Every deployment is run with a failure, a signal or a kill at every call. At no moment fewer members
work than before, unless the releases must not overlap.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from pipeline.core.deploy.phase import manner_of
from pipeline.core.deploy.phases import promotion
from pipeline.core.state.deployment import Deployment, Limits, Result
from tests.core.deploy.fakes import (
    BLUE,
    GREEN,
    POLICY,
    WORK,
    WORKERS,
    FakeCloud,
    begin,
    cloud,
    recover,
)
from tests.core.deploy.recoveries import ONE, TWO, failing, killed, result_of

LONG = pytest.mark.long
WAYS = pytest.mark.parametrize("overlap", [True, False], ids=["overlap", "no overlap"])
BEFORE = Limits(minimum=2, maximum=4, desired=2)


def workers(*, overlap: bool = True, **how: object) -> FakeCloud:
    return cloud(place=WORKERS, overlap=overlap, **how)  # type: ignore[arg-type]


def promote(fake: FakeCloud, *, overlap: bool = True, keep: bool = False) -> Deployment:
    policy = replace(POLICY, overlap=overlap, keep=None if keep else 0.0)
    blue = fake.document.serving
    deployer = begin(fake, blue=blue, policy=policy, before=BEFORE if blue else None)
    how = manner_of(WORKERS, policy, frozenset())
    warm = [name for name in fake.document.releases if name not in {blue, GREEN}]
    return deployer.run(promotion(blue, GREEN, warm=warm, keep=keep, how=how))


def is_promoted(fake: FakeCloud, done: Deployment, context: object = "") -> None:
    assert result_of(done) is Result.PROMOTED, (context, done.outcome)
    assert fake.serving == fake.existing == fake.state == {GREEN}, context
    group = fake.groups[TWO]
    assert (group.minimum, group.maximum, group.desired) == (1, 4, 2), context
    assert (fake.document.serving, set(fake.document.releases)) == (GREEN, {GREEN}), context
    is_clean(fake, context)


def is_put_back(fake: FakeCloud, done: Deployment, context: object = "") -> None:
    assert result_of(done) is Result.ROLLED_BACK, (context, done.outcome)
    assert fake.serving == fake.existing == fake.state == {BLUE}, context
    group = fake.groups[ONE]
    assert (group.minimum, group.maximum, group.desired) == (2, 4, 2), context
    assert fake._working(group) == 2, context
    assert (fake.document.serving, set(fake.document.releases)) == (BLUE, {BLUE}), context
    assert fake.document.releases[BLUE].stopped is None, context
    is_clean(fake, context)


def is_clean(fake: FakeCloud, context: object = "") -> None:
    assert fake.document.deployment is None, context
    assert (fake.outages, fake.violations) == ([], []), context


@WAYS
def test_a_promotion_of_workers_stops_blue_and_deletes_it_once_its_work_has_ended(
    overlap: bool,
) -> None:
    fake = workers(overlap=overlap)
    done = promote(fake, overlap=overlap)
    is_promoted(fake, done)
    overlapping = ["launch", "verify", "soak", "drain", "observe", "retire"]
    gap = ["drain", "launch", "verify", "observe", "retire"]
    assert [each.name for each in done.phases] == (overlapping if overlap else gap)
    drain = next(each for each in done.phases if each.name == "drain")
    assert drain.seconds >= WORK
    assert {verb for verb, _ in fake.changed} == {"resize", "delete"}
    assert ("result", "stop") in fake.journal


def test_the_first_release_of_workers_has_no_phase_in_which_blue_stops() -> None:
    fake = workers(blue=False)
    done = promote(fake)
    assert result_of(done) is Result.PROMOTED, done.outcome
    assert [each.name for each in done.phases] == ["launch", "verify", "soak", "retire"]
    assert fake.serving == {GREEN}


def test_workers_that_stay_warm_have_no_instances_and_keep_their_size_in_the_document() -> None:
    fake = workers()
    done = promote(fake, keep=True)
    assert result_of(done) is Result.PROMOTED
    assert (fake.serving, fake.existing) == ({GREEN}, {BLUE, GREEN})
    assert fake.document.warm == (BLUE,)
    assert fake.document.releases[BLUE].stopped == BEFORE
    assert fake._held(fake.groups[ONE]) == []


@WAYS
def test_unhealthy_workers_are_stopped_and_the_old_ones_run_again(overlap: bool) -> None:
    fake = workers(overlap=overlap)
    fake.unhealthy_groups.add(TWO)
    done = promote(fake, overlap=overlap)
    is_put_back(fake, done)
    names = [each.name for each in done.phases]
    back = ["reattach", "detach", "delete"] if overlap else ["detach", "reattach", "delete"]
    assert names[-3:] == back


def calls_of(*, overlap: bool) -> int:
    fake = workers(overlap=overlap)
    promote(fake, overlap=overlap)
    return len(fake.calls) - 2  # the last two calls only record the end


@WAYS
@pytest.mark.parametrize("kind", ["before", pytest.param("after", marks=LONG), "signal"])
def test_a_failure_at_any_call_ends_with_one_release_that_runs(kind: str, overlap: bool) -> None:
    for at in range(1, calls_of(overlap=overlap) - 1):
        fake = workers(overlap=overlap)
        fake.fail = failing(at, kind)
        done = promote(fake, overlap=overlap)
        context = (at, done.outcome)
        assert (fake.outages, fake.violations) == ([], []), context
        match result_of(done):
            case Result.ROLLED_BACK:
                is_put_back(fake, done, context)
            case Result.PROMOTED:
                is_promoted(fake, done, context)
            case _:
                assert done.outcome
                assert done.outcome.phase == "retire", context
                assert fake.serving == {GREEN}, context


@WAYS
@pytest.mark.parametrize("when", ["after", pytest.param("before", marks=LONG)])
def test_a_run_that_is_killed_at_any_call_is_finished_by_recover(when: str, overlap: bool) -> None:
    policy = replace(POLICY, overlap=overlap)
    run = partial(promote, overlap=overlap)
    for at, fake in killed(workers(overlap=overlap), run, when):
        if fake.document.deployment is None:
            continue
        done = recover(fake, policy=policy)
        is_end = is_promoted if result_of(done) is Result.PROMOTED else is_put_back
        is_end(fake, done, (at, when))


@WAYS
def test_old_answers_of_aws_neither_end_work_nor_leave_a_group_running(overlap: bool) -> None:
    fake = workers(overlap=overlap)
    fake.age = lambda: 14.0
    is_promoted(fake, promote(fake, overlap=overlap))

    fake = workers(overlap=overlap)
    fake.age = lambda: 14.0

    def interrupt(_: int, name: str) -> None:
        if name == "apply!" and fake.calls.count("apply") == 1:
            raise KeyboardInterrupt

    fake.fail = interrupt
    is_put_back(fake, promote(fake, overlap=overlap))
