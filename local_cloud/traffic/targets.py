"""One member of a pool as its load balancer sees it: registered, checked, healthy, draining.

Pure: time comes in, nothing is asked over the network, nobody waits. The words are those
of the Elastic Load Balancing API, data type `TargetHealth`, and of the user guide,
"Health checks for Application Load Balancer target groups", reason codes.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeAlias

from local_cloud.traffic.plan import Health

if TYPE_CHECKING:
    from local_cloud.traffic.plan import Member, Pool, State

Key: TypeAlias = tuple[str, str, int]
"""A pool, the id of a member and its port."""

GONE = ("stopped", "terminated")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TargetState:
    """A state and why."""

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What one check found; a reason means that it failed."""

    reason: str = ""
    description: str = ""

    @property
    def passed(self) -> bool:
        """Whether the member counts as healthy by this check alone."""
        return not self.reason


PASSED = Result()
TIMED_OUT = Result(reason="Target.Timeout", description="Request timed out")
NOT_REACHED = Result(reason="Target.FailedHealthChecks", description="Health checks failed")


def wrong_code(code: int) -> Result:
    """Return what a check found that was answered with a code the matcher does not allow."""
    return Result(
        reason="Target.ResponseCodeMismatch",
        description=f"Health checks failed with these codes: [{code}]",
    )


@dataclasses.dataclass(kw_only=True)
class Known:
    """A truth that every node of the load balancer knows only a moment later."""

    truth: bool = False
    before: bool = False
    since: float = 0.0

    def turn(self, truth: bool, now: float, delay: float) -> None:
        """Change it; what the nodes know now they go on believing for `delay` seconds."""
        if truth != self.truth:
            self.before, self.truth, self.since = self.known(now, delay), truth, now

    def known(self, now: float, delay: float) -> bool:
        """Tell what the nodes know."""
        return self.truth if now >= self.since + delay else self.before


@dataclasses.dataclass(kw_only=True)
class Target:
    """A member and what became of it since it was registered; times are the caller's clock."""

    member: Member
    address: str | None
    standing: TargetState = REGISTERING
    registered: Known = dataclasses.field(default_factory=Known)
    healthy: Known = dataclasses.field(default_factory=Known)
    passes: int = 0
    failures: int = 0
    round: object = dataclasses.field(default_factory=object)
    """Tells the checks of this registration from those of one before."""
    left: float | None = None
    leaves: float = 0.0  # when the draining is over
    released: bool = False  # nothing of it is in flight any more, or was cut
    told: str = ""  # the state that was told last

    @property
    def checked(self) -> bool:
        """Whether there is anything to check."""
        return self.left is None and self.standing.state in {"initial", "healthy", "unhealthy"}

    def begin(self, standing: TargetState = REGISTERING) -> None:
        """Start again as if it had just been registered."""
        self.standing = standing
        self.passes = self.failures = 0
        self.round = object()

    def place(self, pool: Pool, member: Member, now: float, delay: float) -> None:
        """Take what the plan says of it now."""
        back = self.left is not None
        self.left, self.released = None, False
        self.member = member
        self.address = member.address or self.address
        given = imposed(pool, member)
        if given is None:
            if back or not self.checked:
                self.begin()
        elif given != self.standing:
            self.begin(given)
        self.tell(now, delay)

    def leave(self, pool: Pool, now: float, delay: float) -> None:
        """Begin to drain; `pool.delay` is already in seconds of the caller's clock."""
        drains = self.standing.reason != NOT_IN_USE.reason
        self.left, self.leaves = now, now + (pool.delay if drains else 0.0)
        self.round = object()
        self.tell(now, delay)

    def finish(self, now: float) -> None:
        """End the draining at once."""
        self.leaves = min(self.leaves, now)

    def drained(self, now: float) -> bool:
        """Tell whether it is registered no more, not even as a draining one."""
        return self.left is not None and now >= self.leaves

    def forgotten(self, now: float, delay: float) -> bool:
        """Tell whether no node of the load balancer knows of it any more."""
        return self.drained(now) and not self.registered.known(now, delay)

    def record(self, pool: Pool, result: Result, now: float, delay: float) -> bool:
        """Count one check; tell whether it made the member unhealthy."""
        if result.passed:
            self.passes, self.failures = self.passes + 1, 0
        else:
            self.passes, self.failures = 0, self.failures + 1
        before = self.standing
        self.standing = judged(self, pool, result)
        self.tell(now, delay)
        return self.standing.state == "unhealthy" != before.state

    def tell(self, now: float, delay: float) -> None:
        """Let the nodes hear what is true now."""
        standing = self.standing.state
        self.registered.turn(self.left is None and standing != "unused", now, delay)
        self.healthy.turn(standing in {"healthy", "unavailable"}, now, delay)

    def health(self) -> Health:
        """Describe it as DescribeTargetHealth does."""
        standing = self.standing if self.left is None else DRAINING
        return Health(
            id=self.member.id,
            port=self.member.port,
            state=standing.state,
            reason=standing.reason,
            description=standing.description,
        )


def imposed(pool: Pool, member: Member) -> TargetState | None:
    """Return the standing that follows without any check, or None: checks decide."""
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
    """Return the standing after a check that was just counted.

    A target of an Application Load Balancer "must pass one health check to be considered
    healthy" after its registration, whatever the threshold; an instance of a Classic Load
    Balancer needs the healthy threshold from the start.
    """
    state = target.standing.state
    if result.passed:
        first = state == "initial" and pool.kind == "application"
        if first or target.passes >= pool.check.rise:
            return HEALTHY
    elif target.failures >= pool.check.fall:
        return TargetState(state="unhealthy", reason=result.reason, description=result.description)
    return CHECKING if state == "initial" else target.standing
