"""What preflight finds about a service without load balancers."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.health.observation import Observation
from pipeline.core.preflight.checks import findings
from pipeline.core.preflight.facts import Quota
from pipeline.core.state.deployment import Delays
from tests.core.preflight.samples import BLUE, DOCUMENT, FACTS, GROUP, PROPOSAL, observation, record

WORKERS = replace(GROUP, attached=frozenset(), maximum=4)
SEEN = replace(observation(), targets={})
FACTS_OF_WORKERS = replace(FACTS, groups=(WORKERS,), balancers=(), observation=SEEN)
PROPOSED = replace(PROPOSAL, place=replace(PROPOSAL.place, balancers=()))


def whats(facts: object, proposal: object = PROPOSED) -> list[str]:
    return [each.what for each in findings(facts, proposal)]  # type: ignore[arg-type]


def test_workers_that_are_attached_to_nothing_have_no_findings() -> None:
    assert whats(FACTS_OF_WORKERS) == []


def test_the_termination_hooks_of_workers_are_the_delay_of_their_drain() -> None:
    assert replace(FACTS_OF_WORKERS, hold=1800.0).delays == Delays(drain=1800.0)


def test_a_second_group_of_workers_may_not_run_and_a_stopped_one_may_exist() -> None:
    document = replace(DOCUMENT, releases={**DOCUMENT.releases, "r000002": record(2)})
    proposal = replace(PROPOSED, environment=document)
    name = BLUE.replace("r000003", "r000002")
    other = replace(WORKERS, name=name, release="r000002", members=frozenset(), desired=0)
    running = replace(FACTS_OF_WORKERS, groups=(WORKERS, other))
    assert whats(running, proposal) == [
        "may run instances together with r000003: its maximum size is 4"
    ]
    stopped = replace(FACTS_OF_WORKERS, groups=(WORKERS, replace(other, maximum=0)))
    assert whats(stopped, proposal) == []


def test_workers_that_run_without_a_document_are_found() -> None:
    empty = replace(PROPOSED, environment=replace(DOCUMENT, serving="", releases={}, next=1))
    facts = replace(FACTS_OF_WORKERS, refreshes=None, observation=Observation(at=0.0))
    (found,) = [each for each in findings(facts, empty) if "runs, but" in each.what]
    assert "ami-pipeline state rebuild" in found.remedy


def test_a_worker_that_protects_itself_is_waited_for() -> None:
    protected = replace(FACTS_OF_WORKERS, groups=(replace(WORKERS, protected=("i-1",)),))
    (found,) = findings(protected, PROPOSED)
    assert found.what == "protects i-1 from scale-in: drain waits for them"
    assert not found.blocking


def test_workers_that_do_not_overlap_need_no_room_beside_the_old_ones() -> None:
    full = replace(FACTS_OF_WORKERS, vcpus=Quota(limit=4, used=4))
    assert "vCPUs" in whats(full)[0]
    assert whats(full, replace(PROPOSED, overlap=False)) == []
