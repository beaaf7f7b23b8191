from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.health.observation import Activity, Observation, ObservedGroup
from pipeline.core.health.scaling_activities import words
from pipeline.core.health.unrecoverable import last_launch_failure, why_unrecoverable
from tests.core.health.observations import (
    ELB_FAILED,
    GREEN,
    GREW,
    NO_AMI,
    NO_CAPACITY,
    REPLACED,
    SHRUNK,
    a_departure,
    a_group,
    a_launch,
    a_member,
    an_observation,
    in_turn,
    members,
    refused,
)

ABC = ("i-a", "i-b", "i-c")
SHORT = a_group(*members("i-a", "i-b"))
FULL = a_group(*members(*ABC))


def seen(*observations: tuple[ObservedGroup, Iterable[Activity]]) -> list[Observation]:
    return in_turn(*(an_observation(group, activities=news) for group, news in observations))


PATIENCE = 300.0


def judged(observations: list[Observation]) -> str:
    return why_unrecoverable(GREEN, observations, patience=PATIENCE)


def reason(*observations: tuple[ObservedGroup, Iterable[Activity]]) -> str:
    return judged(seen(*observations))


# Launches that cannot work, in AWS's words: from the user guide's pages on launch failures and from
# public issues.

AT_ONCE = [
    NO_AMI,
    "The AMI ID ami-1 does not exist. Launching EC2 instance failed.",
    "The image id '[ami-1]' is no longer available. Launching EC2 instance failed.",
    (
        "Could not launch On-Demand Instances. InvalidAMIID.NotFound - The image id '[ami-1]' "
        "does not "
        "exist. Launching EC2 instance failed."
    ),
    "AMI 'ami-1' is disabled, and cannot be run. Launching EC2 instance failed.",
    "Not authorized for images: [ami-1]. Launching EC2 instance failed.",
    "The security group 'sg-1' does not exist. Launching EC2 instance failed.",
    "The security group 'sg-1' does not exist in VPC 'vpc-1'. Launching EC2 instance failed.",
    "The key pair 'ops' does not exist. Launching EC2 instance failed.",
    "The subnet ID 'subnet-1' does not exist. Launching EC2 instance failed.",
    (
        "The specified launch template, with template ID lt-2, does not exist. Launching EC2 "
        "instance "
        "failed."
    ),
    (
        "You must use a valid fully-formed launch template. The parameter groupName cannot be used "
        "with the parameter subnet. Launching EC2 instance failed."
    ),
    (
        "The architecture 'arm64' of the specified instance type does not match the architecture "
        "'x86_64' of the specified AMI. Launching EC2 instance failed."
    ),
    (
        "The requested instance type's architecture (i386) does not match the architecture in the "
        "manifest for ami-6622f00f (x86_64). Launching EC2 instance failed."
    ),
    "Invalid device name upload. Launching EC2 instance failed.",
    "EBS block device mappings not supported for instance-store AMIs.",
    (
        "Placement groups may not be used with instances of type 'm1.large'. Launching EC2 "
        "instance "
        "failed."
    ),
    (
        "You have requested more vCPU capacity than your current vCPU limit of 384 allows for the "
        "instance bucket that the specified instance type belongs to. Please visit "
        "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit. "
        "Launching EC2 instance failed."
    ),
    (
        "You have requested more instances (2) than your current instance limit of 1 allows for "
        "the "
        "specified instance type. Launching EC2 instance failed."
    ),
    "Could not launch On-Demand Instances. VcpuLimitExceeded - You have requested too much.",
    "20 instance(s) are already running. Launching EC2 instance failed.",
    "Max spot instance count exceeded. Launching EC2 instance failed.",
    (
        "You've reached your quota for maximum Fleet Requests for this account. Launching EC2 "
        "instance "
        "failed."
    ),
    (
        "This account is currently blocked and not recognized as a valid account. Launching EC2 "
        "instance failed."
    ),
    (
        "The requested configuration is currently not supported. Please check the documentation "
        "for "
        "supported configurations. Launching EC2 instance failed."
    ),
    (
        "The specified instance type is not eligible for Free Tier. For a list of Free Tier "
        "instance types, run 'describe-instance-types' with the filter 'free-tier-eligible=true'. "
        "Launching EC2 instance failed."
    ),
    (
        "Volume of size 22GB is smaller than  snapshot 'snap-0b5c5ea11d58e1fec', expect size >= "
        "30GB. Launching EC2 instance failed."
    ),
    (
        "You must use a valid fully-formed launch template. Volume of size 60GB is smaller than "
        "snapshot 'snap-047606f0d8ce8069d', expect size>= 100GB"
    ),
    "The AMI ami-1 is not allowed by the Allowed AMIs settings. Launching EC2 instance failed.",
    (
        "Your request for accessing resources in this region is being validated, and you will not "
        "be able to launch additional resources in this region until the validation is complete. "
        "We will notify you by email once your request has been validated."
    ),
    (
        "Your account is currently being verified. Verification normally takes less than 2 hours. "
        "Until your account is verified, you may not be able to launch additional instances or "
        "create additional volumes."
    ),
]

AGAIN = [
    (
        "Value (web) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance "
        "Profile "
        "name. Launching EC2 instance failed."
    ),
    (
        "You must use a valid fully-formed launch template. Value "
        "(arn:aws:iam::1:instance-profile/w) "
        "for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN"
    ),
    "You are not authorized to perform this operation. Encoded authorization failure message: x",
    "You are not authorized to use launch template: lt-2",
    "Authentication Failure. Launching EC2 instance failed.",
    (
        "There are not enough free addresses in subnet 'subnet-1' to satisfy the requested number "
        "of "
        "instances. Launching EC2 instance failed."
    ),
    (
        "Could not launch On-Demand Instances. InsufficientFreeAddressesInSubnet - The specified "
        "subnet does not have enough free addresses to satisfy the request."
    ),
    (
        "Your requested instance type (t3.micro) is not supported in your requested Availability "
        "Zone "
        "(eu-central-1c). Please retry your request by not specifying an Availability Zone."
    ),
]

MAY_RECOVER = [
    NO_CAPACITY,
    (
        "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due "
        "to "
        "your request configuration."
    ),
    "There is no Spot capacity available that matches your request. Launching EC2 instance failed.",
    "AMI ami-1 is pending, and cannot be run. Launching EC2 instance failed.",
    (
        "Could not launch On-Demand Instances. InvalidAMIID.Unavailable - AMI ami-1 is pending, "
        "and "
        "cannot be run."
    ),
    (
        "Your Spot request price of 0.001 is lower than the minimum required Spot request "
        "fulfillment "
        "price of 0.0031. Launching EC2 instance failed."
    ),
    "The requested Availability Zone is no longer supported. Please retry your request.",
    "Request limit exceeded. Launching EC2 instance failed.",
    "An internal error has occurred. Launching EC2 instance failed.",
]

DIED = "Instance became unhealthy while waiting for instance to be in InService state. "
SHUT_DOWN = f"{DIED}Termination Reason: Client.InstanceInitiatedShutdown: Instance initiated shut"
DEAD_AT_ONCE = [
    SHUT_DOWN,
    (
        f"{DIED}Termination Reason: Client.InvalidKMSKey.InvalidState: The KMS key provided is in "
        f"an "
        "incorrect state"
    ),
    f"{DIED}Termination Reason: Client.VolumeLimitExceeded: Volume limit exceeded",
    (
        f"{DIED}Termination Reason: Client.InternalError: One or more of the attached Amazon EBS "
        "volumes are encrypted with an inaccessible AWS KMS key."
    ),
]
KMS = f"{DIED}Termination Reason: Client.InternalError: Client error on launch"
DEAD_MAYBE = [
    KMS,
    f"{DIED}Termination Reason: Client.UserInitiatedShutdown: User initiated shutdown",
    f"{DIED}Termination Reason: Server.InternalError: Internal error on launch",
    (
        "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token x was "
        "abandoned: Lifecycle Action Completed with ABANDON Result"
    ),
]


@pytest.mark.parametrize("message", AT_ONCE)
def test_a_permanent_launch_error_is_reported_in_awss_words(message: str) -> None:
    assert reason((SHORT, [refused(9, message), a_launch(1, "i-a")])) == message


@pytest.mark.parametrize("message", AGAIN)
def test_an_error_that_may_recover_ends_the_wait_the_third_time(message: str) -> None:
    three = [refused(moment, message) for moment in (40, 20, 0)]
    assert not reason((SHORT, three[1:]))
    assert reason((SHORT, three)) == message


def test_launches_of_one_attempt_count_once() -> None:
    attempt = [replace(refused(0, AGAIN[0]), id=f"launch-0-{number}") for number in range(5)]
    assert not reason((SHORT, attempt))
    assert not reason((SHORT, [*attempt, refused(20, AGAIN[0])]))


def test_different_errors_are_not_added_up() -> None:
    assert not reason((SHORT, [refused(moment, AGAIN[moment]) for moment in (0, 4, 5)]))


@pytest.mark.parametrize("message", MAY_RECOVER)
def test_an_error_that_may_recover_is_reported_and_waited_for(message: str) -> None:
    observations = seen((SHORT, [refused(moment, message) for moment in range(50, 0, -10)]))
    assert not judged(observations)
    assert last_launch_failure(GREEN, observations) == message


def cancelled(moment: int, id_: str, message: str) -> Activity:
    return a_launch(moment, id_, status="Cancelled", message=message)


@pytest.mark.parametrize("message", DEAD_AT_ONCE)
def test_instances_that_shut_themselves_down_end_the_wait(
    message: str,
) -> None:
    again = a_group(a_member("i-b", lifecycle="Pending"), desired=1)
    retry = a_launch(9, "i-b", status="PreInService")
    assert reason((again, [retry, cancelled(1, "i-a", message)])) == message


@pytest.mark.parametrize("message", DEAD_MAYBE)
def test_one_instance_that_ended_for_another_reason_is_waited_for(message: str) -> None:
    again = a_group(a_member("i-b", lifecycle="Pending"), desired=1)
    observations = seen((again, [cancelled(1, "i-a", message)]))
    assert not judged(observations)
    assert last_launch_failure(GREEN, observations) == message


def test_two_instances_that_ec2_could_not_launch_end_the_wait() -> None:
    """EC2 says so of a KMS key that it may not use; one instance may have it by chance."""
    pair = [cancelled(1, "i-a", KMS), replace(cancelled(1, "i-b", KMS), id="launch-1-b")]
    assert reason((a_group(desired=2), pair)) == KMS
    again = a_group(a_member("i-b", lifecycle="Terminating"), desired=1)
    assert reason((again, [cancelled(9, "i-b", KMS), cancelled(1, "i-a", KMS)])) == KMS


SHORTAGES = [
    NO_CAPACITY,
    (
        "Could not launch On-Demand Instances. InsufficientInstanceCapacity - There is no "
        "available capacity that matches your request. Launching EC2 instance failed."
    ),
    (
        "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due "
        "to your request configuration. Launching EC2 instance failed."
    ),
    "There is no Spot capacity available that matches your request. Launching EC2 instance failed.",
]


def lacking(message: str, seconds: float) -> list[Observation]:
    """Return observations of a group that AWS has had no capacity for since the second one."""
    failed = refused(0, message)
    group = (SHORT, [failed])
    return in_turn(
        *seen((SHORT, []), group, (SHORT, [refused(60, message), failed])), every=seconds
    )


@pytest.mark.parametrize("message", SHORTAGES)
def test_a_lack_of_capacity_ends_the_wait_once_it_has_lasted_too_long(message: str) -> None:
    assert not judged(lacking(message, 299))
    assert judged(lacking(message, 300)) == f"AWS has had no capacity for 5m: {message}"


def test_a_lack_of_capacity_counts_anew_after_a_launch_that_worked() -> None:
    moments = [
        (SHORT, [refused(0, NO_CAPACITY)]),
        (SHORT, [a_launch(20, "i-b"), refused(0, NO_CAPACITY)]),
        (SHORT, [refused(40, NO_CAPACITY), a_launch(20, "i-b"), refused(0, NO_CAPACITY)]),
    ]
    assert not judged(in_turn(*seen(*moments), every=200))


def test_the_reason_is_also_read_from_the_description() -> None:
    activity = refused(1, NO_AMI)
    assert words(replace(activity, message="")) == NO_AMI
    assert reason((SHORT, [replace(activity, message="")])) == NO_AMI


MADE_UP: list[Any] = [
    ("a launch that worked since", SHORT, [a_launch(20, "i-b"), refused(10, NO_AMI)]),
    ("EC2 gave an instance since", SHORT,
     [a_launch(20, "i-b", "PreInService"), refused(10, NO_AMI)]),
    ("no member is missing any more", FULL, [refused(10, NO_AMI)]),
    ("as many are on their way",
     a_group(*members("i-a", "i-b"), a_member("i-c", lifecycle="Pending")), [refused(10, NO_AMI)]),
    ("the next one came into service", SHORT,
     [a_launch(20, "i-b"), cancelled(10, "i-x", SHUT_DOWN)]),
]  # fmt: skip


@pytest.mark.parametrize(("why", "group", "activities"), MADE_UP)
def test_a_failed_launch_is_forgiven_when(
    why: str, group: ObservedGroup, activities: list[Activity]
) -> None:
    observations = seen((replace(group, desired=3), activities))
    assert not judged(observations), why
    assert not last_launch_failure(GREEN, observations), why


STILL: list[Any] = [
    ("the other launches of the same attempt worked",
     [a_launch(10, "i-b"), replace(refused(10, NO_AMI), id="x"), a_launch(10, "i-a")]),
    ("others worked before", [refused(10, NO_AMI), a_launch(9, "i-b")]),
    ("the next try has no instance yet", [a_launch(20, "", "PreInService"), refused(10, NO_AMI)]),
    ("the next try failed of something else", [refused(20, NO_CAPACITY), refused(10, NO_AMI)]),
]  # fmt: skip


@pytest.mark.parametrize(("why", "activities"), STILL)
def test_a_failed_launch_is_not_forgiven_because(why: str, activities: list[Activity]) -> None:
    assert reason((SHORT, activities)) == NO_AMI, why


# Members that do not stay.


def lost(*ids: str, since: int = 100, cause: str = ELB_FAILED) -> list[Activity]:
    return [a_departure(since + number, id_, cause) for number, id_ in enumerate(ids)]


def test_a_group_that_lost_its_desired_capacity_is_in_a_loop() -> None:
    assert not reason((FULL, []), (FULL, lost("i-a", "i-b")))
    assert reason((FULL, []), (FULL, lost(*ABC))) == (
        f"{GREEN} launches and terminates in a loop, 3 members were lost: {ELB_FAILED}"
    )


def test_one_broken_instance_of_a_group_of_one_is_no_loop_but_two_are() -> None:
    one = a_group(a_member("i-z"), desired=1)
    assert not reason((one, []), (one, lost("i-a")))
    assert reason((one, []), (one, lost("i-a", "i-b")))


def test_half_of_a_group_lost_with_its_zone_is_no_loop() -> None:
    six = a_group(*members(*(f"i-{number}" for number in range(6))), desired=6)
    assert not reason((six, []), (six, lost("i-0", "i-1", "i-2")))


def test_a_large_group_is_in_a_loop_when_replacements_are_lost_again() -> None:
    nine = a_group(*members(*(f"i-{number}" for number in range(9))), desired=9)
    again = [a_launch(90 + number, f"i-r{number}", cause=REPLACED) for number in range(2)]
    assert not reason((nine, []), (nine, [*lost("i-0", "i-1", "i-2", "i-r0"), *again]))
    assert reason((nine, []), (nine, [*lost("i-0", "i-1", "i-r0", "i-r1"), *again]))


def test_replacements_of_instances_that_a_person_terminated_do_not_count() -> None:
    nine = a_group(*members(*(f"i-{number}" for number in range(9))), desired=9)
    again = [a_launch(90 + number, f"i-r{number}", cause=GREW) for number in range(2)]
    assert not reason((nine, []), (nine, [*lost("i-r0", "i-r1"), *again]))


REQUESTED = [
    SHRUNK,
    "At 2026-01-01T10:05:00Z instance i-a was taken out of service in response to a user request.",
    (
        "At 2026-01-01T10:05:00Z instance i-a was taken out of service in response to a user "
        "request, "
        "shrinking the capacity from 3 to 2."
    ),
    (
        "At 2026-01-01T10:05:00Z an instance was taken out of service in response to an instance "
        "refresh."
    ),
    (
        "At 2026-01-01T10:05:00Z an instance was taken out of service in response to an EC2 "
        "instance "
        "rebalance recommendation."
    ),
]
NOT_REQUESTED = [
    ELB_FAILED,
    (
        "At 2026-01-01T10:05:00Z an instance was taken out of service in response to an EC2 health "
        "check indicating it has been terminated or stopped."
    ),
    (
        "At 2026-01-01T10:05:00Z an instance was taken out of service in response to an EC2 "
        "instance "
        "status check failure."
    ),
    "At 2026-01-01T10:05:00Z an instance was taken out of service in response to a launch failure.",
    (
        "At 2026-01-01T10:05:00Z an instance was taken out of service in response to a user "
        "health-check."
    ),
]


@pytest.mark.parametrize("cause", REQUESTED)
def test_members_whose_departure_was_requested_are_not_lost(cause: str) -> None:
    assert not reason((FULL, []), (FULL, lost(*ABC, "i-d", cause=cause)))


@pytest.mark.parametrize("cause", NOT_REQUESTED)
def test_failed_members_are_lost_and_the_last_cause_is_reported(cause: str) -> None:
    assert reason((FULL, []), (FULL, lost(*ABC, cause=cause))).endswith(f"were lost: {cause}")


FROM_POOL = "At 2026-01-01T10:05:00Z an instance was taken out of the warm pool."


def test_instances_that_leave_the_warm_pool_are_not_lost() -> None:
    left = lost("i-x", "i-y", "i-z", "i-w", cause=FROM_POOL)
    assert not reason((FULL, []), (FULL, left))
    unknown = [
        replace(each, cause="", description=f"Terminating EC2 instance from warm pool: i-{number}")
        for number, each in enumerate(left)
    ]
    assert not reason((FULL, []), (FULL, unknown))


def test_a_launch_into_the_warm_pool_is_no_launch_of_a_member() -> None:
    pooled = replace(
        a_launch(20, "i-p"), description="Launching a new EC2 instance into warm pool: i-p"
    )
    assert reason((SHORT, [pooled, refused(10, NO_AMI)])) == NO_AMI
    taken = replace(
        a_launch(20, "i-p"), description="Launching a new EC2 instance from warm pool: i-p"
    )
    assert not reason((SHORT, [taken, refused(10, NO_AMI)]))


def test_detached_members_are_not_lost() -> None:
    away = [a_departure(number, id_, "x", "Detaching") for number, id_ in enumerate(ABC)]
    empty = a_group(desired=3)
    assert not reason((FULL, []), *([(empty, away)] * 4))


def leaving(*ids: str) -> tuple[Any, ...]:
    return members(*ids, lifecycle="Terminating")


def test_without_activities_a_loop_takes_twice_as_many_lost_members() -> None:
    six = (*ABC, "i-d", "i-e", "i-f")
    assert not reason((FULL, []), (a_group(*leaving(*six[:5])), []))
    expected = f"{GREEN} launches and terminates in a loop, 6 members were lost"
    assert reason((FULL, []), (a_group(*leaving(*six)), [])) == expected
    first, second = a_group(*leaving(*ABC)), a_group(*leaving(*six[3:]))
    assert reason((FULL, []), (first, []), (second, []), (FULL, [])) == expected


def test_activities_outweigh_the_members_that_are_seen_leaving() -> None:
    six = leaving(*ABC, "i-d", "i-e", "i-f")
    assert not reason((FULL, []), (a_group(*six), [a_launch(1, "i-a")]))


def test_without_activities_missing_members_are_lost_after_three_observations() -> None:
    four = a_group(*members("i-d", "i-e", "i-f", "i-g"), desired=2)
    small, empty, other = replace(four, members=four.members[:2]), a_group(desired=2), four
    one = replace(small, members=members("i-a", "i-b"))
    assert not reason((one, ()), (small, ()), (empty, ()), (empty, ()))
    assert reason((one, ()), (small, ()), (empty, ()), (empty, ()), (empty, ()))
    assert not reason((one, ()), (small, ()), (empty, ()), (empty, ()), (other, ()), (empty, ()))
    aside = replace(small, members=members("i-d", lifecycle="Detaching"))
    assert not reason((one, ()), (small, ()), (aside, ()), *([(empty, ())] * 3))


def test_a_smaller_desired_capacity_explains_as_many_departures() -> None:
    four = ("i-a", "i-b", "i-c", "i-d")
    after = a_group(*leaving(*four), desired=2)
    pair = a_group(*members("i-a", "i-b"), desired=2)
    assert reason((pair, []), (after, []))
    larger = replace(pair, members=members("i-a", "i-b", "i-c"))
    assert not reason((larger, []), (after, []))
    smaller = replace(after, desired=1)
    assert not reason((pair, []), (smaller, []))


def test_earlier_errors_of_a_serving_group_do_not_count() -> None:
    history = [refused(9, NO_AMI), *lost("i-x", "i-y", "i-z", "i-w", "i-v")]
    leaves = replace(FULL, members=(*FULL.members, *leaving("i-q", "i-r", "i-s")))
    assert not reason((leaves, history), (FULL, history))
    larger = replace(FULL, desired=5)
    assert not reason((FULL, history), (larger, history))
    assert not last_launch_failure(GREEN, seen((FULL, history), (larger, history)))
    assert reason((FULL, history), (larger, [refused(500, NO_AMI), *history])) == NO_AMI


def test_earlier_errors_of_a_serving_group_that_lacks_a_member_do_not_count() -> None:
    history = [a_launch(300, "i-b"), refused(9, NO_AMI), *lost("i-x", "i-y", "i-z", "i-w")]
    assert not reason((SHORT, history), (SHORT, history))


def test_errors_of_weeks_ago_of_an_empty_group_do_not_count() -> None:
    ago = [replace(a, began="2025-12-01T10:00:00+00:00") for a in lost("i-x", "i-y", "i-z")]
    awake = a_group(*members(*ABC, lifecycle="Pending"))
    assert not reason((awake, [a_launch(1, "i-a", "PreInService"), *ago]))
    unread = [replace(a, began="") for a in lost("i-x", "i-y", "i-z")]
    assert reason((awake, unread))


def test_errors_of_a_new_group_before_the_first_observation_count() -> None:
    new = a_group(*members("i-d", lifecycle="Pending"))
    assert reason((new, lost(*ABC)))
    leaves = a_group(*leaving(*ABC))
    assert reason((leaves, lost(*ABC)))
    assert not reason((a_group(*leaving(*ABC, "i-d", "i-e", "i-f")), []))


def test_a_launch_in_progress_in_the_first_observation_may_fail_later() -> None:
    begun = a_launch(5, "", "PreInService")
    ended = replace(refused(5, NO_AMI), id=begun.id)
    assert reason((FULL, [begun]), (SHORT, [ended])) == NO_AMI


def test_members_lost_long_ago_do_not_count() -> None:
    observations = in_turn(
        an_observation(FULL),
        an_observation(FULL, activities=lost("i-a", "i-b")),
        an_observation(FULL, activities=lost("i-a", "i-b", "i-c")),
        every=3590.0,
    )
    assert not judged(observations)
    assert judged(in_turn(*observations, every=1790.0))
