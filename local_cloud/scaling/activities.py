"""Record scaling activities in AWS's words: users read them when something goes wrong.

The wording is that of the examples in the EC2 Auto Scaling API Reference and User
Guide (DescribeScalingActivities, "Verify a scaling activity for an Auto Scaling
group", "Troubleshoot Amazon EC2 Auto Scaling").
"""

from __future__ import annotations

import datetime as dt
import json

from local_cloud.scaling.model import Activity, Group, Member
from local_cloud.scaling.ports import Place, Ports

LAUNCHING = "Launching a new EC2 instance"
TERMINATING = "Terminating EC2 instance"
DRAINING = " - Waiting For ELB Connection Draining."
GAP = "  "  # AWS puts two spaces between the sentences of a cause
REPLACEMENT = (
    "an instance was launched in response to an unhealthy instance needing to be replaced."
)
CAUSE_AT_MOST, MESSAGE_AT_MOST = 1023, 255  # API Reference, data type Activity


def at(moment: dt.datetime) -> str:
    """Return the beginning of a cause's sentence."""
    return f"At {moment:%Y-%m-%dT%H:%M:%SZ} "


def difference(direction: str, before: int, after: int) -> str:
    """Return the sentence about a difference of desired and actual capacity."""
    verb = "started" if direction == "increasing" else "taken out of service"
    return (
        f"an instance was {verb} in response to a difference between desired and actual "
        f"capacity, {direction} the capacity from {before} to {after}."
    )


def by_user(instance: str, what: str, before: int, after: int) -> str:
    """Return the sentence about a user's request and its effect on the capacity."""
    sentence = f"instance {instance} was {what} in response to a user request"
    if after == before:
        return f"{sentence}."
    direction = "shrinking" if after < before else "increasing"
    return f"{sentence}, {direction} the capacity from {before} to {after}."


def begin(
    group: Group, ports: Ports, description: str, cause: str, place: Place | None = None
) -> Activity:
    """Record the start of an activity."""
    activity = Activity(
        auto_scaling_group_name=group.name,
        auto_scaling_group_arn=str(group.settings.arn),
        description=description,
        cause=cause[:CAUSE_AT_MOST],
        start_time=ports.stamp(),
        details=details(place),
    )
    group.activities.append(activity)
    return activity


def details(place: Place | None) -> str:
    """Return the place of an activity as AWS does: JSON in a string."""
    if place is None:
        return "{}"
    subnet = {"Subnet ID": place.subnet} if place.subnet else {}
    return json.dumps({**subnet, "Availability Zone": place.zone}, separators=(",", ":"))


def place_of(member: Member) -> Place:
    """Return the place of a member."""
    return Place(zone=member.availability_zone, subnet=member.subnet)


def progress(activity: Activity | None, status: str, percent: int) -> None:
    """Set the progress of an activity."""
    if activity and not activity.is_over:
        activity.description = activity.description.removesuffix(DRAINING)
        activity.status_code, activity.progress = status, percent


def show_draining(activity: Activity | None) -> None:
    """Set an activity to waiting for load balancers."""
    if activity and activity.status_code != "WaitingForELBConnectionDraining":
        progress(activity, "WaitingForELBConnectionDraining", activity.progress)
        activity.description += DRAINING


def end(activity: Activity | None, ports: Ports, status: str = "Successful") -> None:
    """Record the end of an activity."""
    if activity and not activity.is_over:
        activity.description = activity.description.removesuffix(DRAINING)
        activity.status_code, activity.progress = status, 100
        activity.end_time = ports.stamp()


def fail(activity: Activity | None, ports: Ports, status: str, message: str) -> None:
    """Record the failure of an activity and its reason."""
    if activity and not activity.is_over:
        end(activity, ports, status)
        activity.description += f".  Status Reason: {message}"
        activity.status_message = message[:MESSAGE_AT_MOST]


def newest_first(activities: list[Activity]) -> list[Activity]:
    """Sort as DescribeScalingActivities does: activities in progress, then the newest."""
    newest = activities[::-1]
    newest.sort(key=lambda activity: activity.is_over)
    return newest


def moment(text: str) -> dt.datetime:
    """Parse a time; one without a zone is UTC."""
    read = dt.datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=dt.UTC)
