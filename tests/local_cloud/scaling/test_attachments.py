"""Traffic sources: attached, counted, detached, over time."""

from __future__ import annotations

from local_cloud.scaling import attachments, processes
from tests.local_cloud.scaling.fakes import Trial


def attached(trial: Trial) -> dict[str, str]:
    return {source.identifier: source.state for source in trial.group.sources}


def late(*, health_check_type: str = "ELB") -> Trial:
    trial = Trial()
    trial.settings.health_check_type = health_check_type
    trial.with_members(2)
    attachments.attach(trial.group, "elb", ["clb"], trial.ports.now)
    return trial


def test_a_source_named_at_creation_is_in_service_at_once() -> None:
    trial = Trial()
    attachments.attach_at_creation(trial.group, "elbv2", ["tg"])
    assert attached(trial) == {"tg": "InService"}


def test_a_source_attached_later_is_adding_then_added_when_all_are_registered() -> None:
    trial = late()
    assert attached(trial) == {"clb": "Adding"}
    trial.step()
    assert attached(trial) == {"clb": "Added"}
    assert trial.ports.targets["clb"] == {"i-1": "initial", "i-2": "initial"}


def test_a_source_is_in_service_when_one_member_has_passed() -> None:
    trial = late()
    trial.step()
    trial.ports.targets["clb"]["i-2"] = "healthy"
    trial.step()
    assert attached(trial) == {"clb": "InService"}


def test_a_source_of_a_group_without_elb_checks_stays_added() -> None:
    trial = late(health_check_type="EC2")
    trial.step()
    trial.ports.targets["clb"]["i-2"] = "healthy"
    trial.step()
    assert attached(trial) == {"clb": "Added"}


def test_no_member_is_replaced_before_the_source_is_in_service() -> None:
    trial = late()
    trial.step()
    trial.ports.targets["clb"] = {"i-1": "unhealthy", "i-2": "unhealthy"}
    trial.step(1000)
    assert trial.states() == ["InService", "InService"]
    trial.ports.targets["clb"]["i-2"] = "healthy"
    trial.step()
    trial.step()
    assert trial.states() == ["Terminating", "InService", "Pending"]


def test_a_detached_source_is_removing_until_the_members_have_drained() -> None:
    trial = late()
    trial.ports.delays["clb"] = 300
    trial.step()
    attachments.detach(trial.group, ["clb"], trial.ports, trial.ports.now)
    trial.step()
    assert attached(trial) == {"clb": "Removing"}
    assert attachments.identifiers(trial.group, "elb") == []
    trial.ports.targets["clb"].clear()
    trial.step()
    assert attached(trial) == {}
    assert trial.states() == ["InService", "InService"]


def test_attaching_and_detaching_may_be_repeated() -> None:
    trial = late()
    trial.ports.delays["clb"] = 300
    trial.step()
    attachments.attach(trial.group, "elb", ["clb"], trial.ports.now)
    assert attached(trial) == {"clb": "Added"}
    for _ in range(2):
        attachments.detach(trial.group, ["clb"], trial.ports, trial.ports.now)
        assert attached(trial) == {"clb": "Removing"}
    attachments.attach(trial.group, "elb", ["clb"], trial.ports.now)
    assert attached(trial) == {"clb": "Adding"}


def test_a_member_launched_while_a_source_is_removing_is_not_registered_with_it() -> None:
    trial = late()
    trial.ports.delays["clb"] = 300
    trial.step()
    attachments.detach(trial.group, ["clb"], trial.ports, trial.ports.now)
    trial.want(3)
    trial.run()
    assert set(trial.ports.targets["clb"]) == {"i-1", "i-2"}


def test_attaching_waits_while_addtoloadbalancer_is_suspended() -> None:
    trial = late()
    processes.suspend(trial.group, ["AddToLoadBalancer"], trial.ports.stamp())
    trial.step()
    assert attached(trial) == {"clb": "Adding"}
    assert trial.ports.targets.get("clb", {}) == {}


def test_a_member_that_is_registered_late_is_in_service_before_its_source_lists_it() -> None:
    trial = Trial()
    attachments.attach_at_creation(trial.group, "elb", ["clb"])
    trial.ports.late = {"i-1": 5}
    trial.with_members(2)
    assert trial.ports.targets["clb"] == {"i-2": "initial"}
    trial.step(4)
    assert "i-1" not in trial.ports.targets["clb"]
    trial.step()
    assert trial.ports.targets["clb"] == {"i-1": "initial", "i-2": "initial"}


def test_a_source_is_adding_until_the_members_that_are_registered_late_are() -> None:
    trial = Trial()
    trial.with_members(2)
    trial.ports.late = {"i-1": 5}
    attachments.attach(trial.group, "elb", ["clb"], trial.ports.now)
    trial.step(4)
    assert (attached(trial), trial.ports.targets) == ({"clb": "Adding"}, {})
    trial.step()
    assert attached(trial) == {"clb": "Added"}
    assert trial.ports.targets["clb"] == {"i-1": "initial", "i-2": "initial"}


def test_a_member_that_left_before_it_was_registered_never_is() -> None:
    trial = Trial()
    attachments.attach_at_creation(trial.group, "elb", ["clb"])
    trial.ports.late = {"i-1": 5}
    trial.with_members(1)
    trial.want(0)
    trial.step(9)
    assert trial.ports.targets.get("clb", {}) == {}
