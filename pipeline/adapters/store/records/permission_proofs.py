"""Keep the permissions that were proven, so that a deployment does not prove them again.

`permissions/<environment>.json`. The file only saves calls: a damaged one counts as empty.
"""

from __future__ import annotations

from pipeline.adapters.store.base import StaleError, Store
from pipeline.adapters.store.envelope import DamagedError, NewerError, seal, unseal
from pipeline.core.permissions.probes import Proofs


class PermissionProofs:
    """The proofs of one environment in a store."""

    def __init__(self, store: Store, environment: str) -> None:
        self._store = store
        self._key = f"permissions/{environment}.json"

    def read(self) -> Proofs:
        """Return the proofs; raises RefusedError if the store cannot be read."""
        document = self._store.read(self._key)
        try:
            return unseal(Proofs, document.data) if document else Proofs()
        except (DamagedError, NewerError):
            return Proofs()

    def write(self, proofs: Proofs) -> None:
        """Replace the proofs; another run's newer ones stay, at the price of a new proof."""
        document = self._store.read(self._key)
        try:
            expected = document.version if document else None
            self._store.write(self._key, seal(proofs), expected=expected)
        except StaleError:
            return
