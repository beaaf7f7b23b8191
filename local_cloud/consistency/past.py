"""Decide which reads are answered from the past, and answer them from it.

"The Amazon EC2 API follows an eventual consistency model" (EC2 API Reference, "Ensuring
idempotency", "Eventual consistency"); Auto Scaling and Elastic Load Balancing are built alike.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.autoscaling.models import autoscaling_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.models.elastic_block_store import Snapshot
from moto.elb.models import elb_backends
from moto.elbv2.models import elbv2_backends

from local_cloud.behavior_targets import each
from local_cloud.consistency.journal import Journal
from local_cloud.consistency.setting import OBSERVER, Consistency, may_be_stale
from local_cloud.consistency.traffic import PastTraffic
from local_cloud.options import REGION

if TYPE_CHECKING:
    from local_cloud.cloud import Cloud

NEXT_PAGE = (b"NextToken=", b"Marker=")
MODELS = ("moto.ec2.", "moto.autoscaling.", "moto.elb.", "moto.elbv2.", "local_cloud.scaling.")
SLACK = 1.0
"""Real seconds for which changes are kept beyond the oldest age: a read may wait for the lock."""

LONGEST = 0.5
"""Real seconds without a walk, in case something changes the models without saying so."""


@dataclass(kw_only=True)
class Past:
    """The past of one cloud; `oldest` is the age of the oldest read, in real seconds.

    `record`, `remember` and `as_of` need the API's lock.
    """

    consistency: Consistency
    oldest: float
    traffic: PastTraffic
    now: Callable[[], float] = time.monotonic
    _ordered: float = 0.0
    _recorded: float = 0.0
    _journal: Journal = field(init=False)
    _counting: threading.Lock = field(default_factory=threading.Lock)
    _numbers: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _pages: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._journal = Journal(roots=backends, belongs=is_model, static=belongs_to_others)

    @classmethod
    def attached(cls, cloud: Cloud, consistency: Consistency) -> Past:
        """Return the past of a cloud, which is recorded from now on."""
        traffic = PastTraffic(traffic=cloud.traffic)
        cloud.traffic = traffic
        oldest = consistency.seconds / cloud.host.clock.speed
        past = cls(consistency=consistency, oldest=oldest, traffic=traffic)
        past.record()
        cloud.on_change.append(past.record)
        cloud.periodic.append(past.tick)
        return past

    @property
    def kept(self) -> float:
        """How many real seconds of the past are wanted; 0 for none."""
        return max(self.oldest, self._ordered)

    def remember(self, seconds: float) -> None:
        """Record from now on as far back as this, in real seconds; 0 as `--consistency` says."""
        self._ordered = max(self._ordered, seconds) if seconds else 0.0
        self.record()
        if not self.kept:
            self._journal.forget()
            self.traffic.forget()

    def record(self) -> None:
        """Note what has changed, if the past is wanted at all."""
        if self.kept:
            self._recorded = self.now()
            self._journal.record(self._recorded, self.kept + SLACK)
            self.traffic.record(self._recorded, self.kept + SLACK)

    def tick(self) -> bool:
        """Note changes that no call made; return False, as nothing moved."""
        if self.kept:
            self.traffic.record(self.now(), self.kept + SLACK)
        if self.now() - self._recorded > LONGEST:
            self.record()
        return False

    def moment_of(self, service: str, action: str, caller: str, body: bytes) -> float | None:
        """Return the moment whose state a call shows, or None for the present.

        The pages of one answer are of one moment.
        """
        if not self.oldest or caller == OBSERVER or not may_be_stale(service, action):
            return None
        key = (caller, service, action)
        with self._counting:
            if key in self._pages and any(token in body for token in NEXT_PAGE):
                return self._pages[key]
            self._numbers[key] += 1
            age = self.oldest * self.consistency.share(*key, self._numbers[key])
            self._pages[key] = moment = self.now() - age
            return moment

    @contextlib.contextmanager
    def as_of(self, moment: float) -> Iterator[None]:
        """Put back the state of a moment for a block."""
        with self._journal.as_of(moment):
            self.traffic.shown = self.traffic.as_of(moment)
            try:
                yield
            finally:
                self.traffic.shown = None


def backends() -> Iterable[Any]:
    """Yield the models of every account and region that was used, and of the default region.

    A region has no past before its first write; the default one has.
    """
    for service in (ec2_backends, autoscaling_backends, elb_backends, elbv2_backends):
        _ = service[DEFAULT_ACCOUNT_ID][REGION]
        yield from each(service)


def is_model(class_: type) -> bool:
    """Return True for the classes whose objects are the state that reads show."""
    return f"{class_.__module__}.".startswith(MODELS)


def belongs_to_others(holder: Any) -> bool:
    """Return True for the public AMIs and their snapshots: thousands, and none ever changes."""
    if not isinstance(holder, (Ami, Snapshot)):
        return False
    return bool(holder.owner_id != holder.ec2_backend.account_id)
