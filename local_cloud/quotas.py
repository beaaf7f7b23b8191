"""Hold the quotas of an account; a test lowers them.

The defaults are those of EC2, EC2 Auto Scaling and Elastic Load Balancing (their user guides,
"Quotas"). Only vCPUs differ: AWS begins with 5 and raises the quota with use.
"""

from __future__ import annotations

import threading

DEFAULTS = {
    "vcpus": 1152,  # running On-Demand Standard instances
    "groups": 500,
    "launch-templates": 5000,
    "targets-per-target-group": 1000,
    "targets-per-load-balancer": 1000,
    "records-per-page": 1000,  # no quota of AWS: see `patches.autoscaling.activities`
    "recycle-bin-days": 0,  # no quota of AWS: see `patches.ec2.recycle_bin`
}


class Quotas:
    """The quotas by name, of every region alike."""

    def __init__(self) -> None:
        self._limits = dict(DEFAULTS)
        self._lock = threading.Lock()

    def limit(self, name: str) -> int:
        """Return a quota."""
        with self._lock:
            return self._limits[name]

    def set(self, changes: dict[str, int]) -> None:
        """Change quotas; raises ValueError for an unknown name or a negative number."""
        if unknown := set(changes) - set(DEFAULTS):
            raise ValueError(f"quotas are {', '.join(DEFAULTS)}, not {', '.join(sorted(unknown))}")
        if any(value < 0 for value in changes.values()):
            raise ValueError("a quota is not negative")
        with self._lock:
            self._limits.update(changes)

    def reset(self) -> None:
        """Restore the defaults."""
        self.set(DEFAULTS)

    def listed(self) -> dict[str, int]:
        """Return every quota by name."""
        with self._lock:
            return dict(self._limits)
