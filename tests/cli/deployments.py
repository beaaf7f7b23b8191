"""A deployment that is over, and the command lines that can end with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from pipeline.core.state.deployment import Deployment, Kind, Outcome, Result, Runner

DONE = Deployment(
    id="20261121T154224Z-4f2a",
    kind=Kind.PROMOTE,
    environment="staging",
    green="r000125",
    blue="r000124",
    began="2026-11-21T15:42:24Z",
    ended="2026-11-21T15:44:24Z",
    by=Runner(user="ada", host="ci-7", pid=1),
    image="ami-2",
    version="1.5.0",
    outcome=Outcome(result=Result.PROMOTED),
)
RUNS = [
    (["promote", "-e", "staging", "--yes"], "pipeline.app.promote.promote"),
    (["rollback", "-e", "staging", "--yes"], "pipeline.app.rollback.roll_back"),
    (["rebuild", "-e", "staging"], "pipeline.app.rebuild.rebuild"),
    (["resume", "-e", "staging"], "pipeline.app.resume.resume"),
]
UNDOING = [
    (["recover", "-e", "staging"], "pipeline.app.recover.recover"),
    (["abort", "-e", "staging"], "pipeline.app.abort.abort"),
]


def raising(error: BaseException) -> Callable[..., NoReturn]:
    """Return a function that raises an error whatever its arguments are."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail
