"""Run concurrent writers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline.adapters.store.base import StaleError

if TYPE_CHECKING:
    from pipeline.adapters.store.base import Store


def race(store: Store, writers: int) -> list[bytes]:
    """Overwrite one version from several threads; return the losers' data and the final data."""
    first = store.write("images/a.json", b"begin", expected=None)
    lost: list[bytes] = []
    start = threading.Barrier(writers)

    def write(data: bytes) -> None:
        start.wait()
        try:
            store.write("images/a.json", data, expected=first)
        except StaleError:
            lost.append(data)

    threads = [threading.Thread(target=write, args=(b"%d" % n,)) for n in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    document = store.read("images/a.json")
    assert document is not None
    return sorted([*lost, document.data])
