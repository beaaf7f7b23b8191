"""Track one member of a pool as its load balancer does: registered, checked, healthy, draining.

Pure: the caller passes the time, and there is no I/O. The words are those of the Elastic Load
Balancing API, data type `TargetHealth`, and of the user guide, "Health checks for Application Load
Balancer target groups", reason codes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from local_cloud.traffic.plan import Health

if TYPE_CHECKING:
    from local_cloud.traffic.plan import Member, Pool, State

Key: TypeAlias = tuple[str, str, int]
"""A pool, the id of a member and its port."""

GONE = ("stopped", "terminated")


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetState:
    """The state of a target and its reason."""

    state: State
    reason: str = ""
    description: str = ""


REGISTERING = TargetState(
    state="initial",
    reason="Elb.RegistrationInProgress",
    description="Target registration is in progress",
)
CHECKING = TargetState(
    state="initial",
    reason="Elb.InitialHealthChecking",
    description="Initial health checks in progress",
)
HEALTHY = TargetState(state="healthy")
NOT_IN_USE = TargetState(
    state="unused",
    reason="Target.NotInUse",
    description="Target group is not configured to receive traffic from the load balancer",
)
ZONE_NOT_ENABLED = TargetState(
    state="unused",
    reason="Target.NotInUse",
    description="Target is in an Availability Zone that is not enabled for the load balancer",
)
NOT_CHECKED = TargetState(
    state="unavailable",
    reason="Target.HealthCheckDisabled",
    description="Health checks are disabled for this target group",
)
DRAINING = TargetState(
    state="draining",
    reason="Target.DeregistrationInProgress",
    description="Target deregistration is in progress",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The result of one check; one with a reason failed."""

    reason: str = ""
    description: str = ""

    @property
    def passed(self) -> bool:
        """True if the check passed."""
        return not self.reason


PASSED = Result()
TIMED_OUT = Result(reason="Target.Timeout", description="Request timed out")
NOT_REACHED = Result(reason="Target.FailedHealthChecks", description="Health checks failed")


def wrong_code(code: int) -> Result:
    """Return the result of a check whose code the matcher does not allow."""
    return Result(
        reason="Target.ResponseCodeMismatch",
        description=f"Health checks failed with these codes: [{code}]",
    )


@dataclass(kw_only=True)
class Propagated:
    """A flag that the nodes of the load balancer learn with a delay."""

    actual: bool = False
    before: bool = False
    since: float = 0.0

    def set(self, actual: bool, now: float, delay: float) -> None:
        """Set the flag; the nodes keep their present value for `delay` seconds."""
        if actual != self.actual:
            self.before, self.actual, self.since = self.known(now, delay), actual, now

    def known(self, now: float, delay: float) -> bool:
        """Return the value that the nodes have."""
        return self.actual if now >= self.since + delay else self.before


@dataclass(kw_only=True)
class Target:
    """A registered member and its history; times are of the caller's clock."""

    member: Member
    address: str | None
    status: TargetState = REGISTERING
    registered: Propagated = field(default_factory=Propagated)
    healthy: Propagated = field(default_factory=Propagated)
    passes: int = 0
    failures: int = 0
    round: object = field(default_factory=object)
    """Separates the checks of this registration from those of an earlier one."""
    left: float | None = None
    leaves: float = 0.0  # when the draining is over
    released: bool = False  # nothing is in flight to it, or all was cut
    reported: str = ""  # the state that was reported last

    @property
    def checked(self) -> bool:
        """True if the member needs checks."""
        return self.left is None and self.status.state in {"initial", "healthy", "unhealthy"}

    def begin(self, status: TargetState = REGISTERING) -> None:
        """Start again as a newly registered member."""
        self.status = status
        self.passes = self.failures = 0
        self.round = object()

    def place(self, pool: Pool, member: Member, now: float, delay: float) -> None:
        """Take the pool and the member of a new plan."""
        back = self.left is not None
        self.left, self.released = None, False
        self.member = member
        self.address = member.address or self.address
        given = imposed(pool, member)
        if given is None:
            if back or not self.checked:
                self.begin()
        elif given != self.status:
            self.begin(given)
        self.propagate(now, delay)

    def leave(self, pool: Pool, now: float, delay: float) -> None:
        """Start draining; `pool.delay` is already in seconds of the caller's clock."""
        drains = self.status.reason != NOT_IN_USE.reason
        self.left, self.leaves = now, now + (pool.delay if drains else 0.0)
        self.round = object()
        self.propagate(now, delay)

    def finish(self, now: float) -> None:
        """End the draining at once."""
        self.leaves = min(self.leaves, now)

    def drained(self, now: float) -> bool:
        """Return True if the member has left and its draining is over."""
        return self.left is not None and now >= self.leaves

    def forgotten(self, now: float, delay: float) -> bool:
        """Return True if no node of the load balancer knows the member any longer."""
        return self.drained(now) and not self.registered.known(now, delay)

    def record(self, pool: Pool, result: Result, now: float, delay: float) -> bool:
        """Count one check; return True if it made the member unhealthy."""
        if result.passed:
            self.passes, self.failures = self.passes + 1, 0
        else:
            self.passes, self.failures = 0, self.failures + 1
        before = self.status
        self.status = judged(self, pool, result)
        self.propagate(now, delay)
        return self.status.state == "unhealthy" != before.state

    def propagate(self, now: float, delay: float) -> None:
        """Propagate the present state to the nodes."""
        status = self.status.state
        self.registered.set(self.left is None and status != "unused", now, delay)
        self.healthy.set(status in {"healthy", "unavailable"}, now, delay)

    def health(self) -> Health:
        """Return the health as DescribeTargetHealth shows it."""
        status = self.status if self.left is None else DRAINING
        return Health(
            id=self.member.id,
            port=self.member.port,
            state=status.state,
            reason=status.reason,
            description=status.description,
        )


def imposed(pool: Pool, member: Member) -> TargetState | None:
    """Return the status that needs no check, or None if checks decide."""
    if not pool.zones:
        return NOT_IN_USE
    if member.zone not in pool.zones:
        return ZONE_NOT_ENABLED
    if member.state in GONE:
        return TargetState(
            state="unused",
            reason="Target.InvalidState",
            description=f"Target is in the {member.state} state",
        )
    return None if pool.check.enabled else NOT_CHECKED


def judged(target: Target, pool: Pool, result: Result) -> TargetState:
    """Return the status after a counted check.

    A target of an Application Load Balancer "must pass one health check to be considered
    healthy" after its registration, whatever the threshold; an instance of a Classic Load
    Balancer needs the healthy threshold from the start.
    """
    state = target.status.state
    if result.passed:
        first = state == "initial" and pool.kind == "application"
        if first or target.passes >= pool.check.rise:
            return HEALTHY
    elif target.failures >= pool.check.fall:
        return TargetState(state="unhealthy", reason=result.reason, description=result.description)
    return CHECKING if state == "initial" else target.status
