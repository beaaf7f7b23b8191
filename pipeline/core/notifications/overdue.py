"""Find what was not done in an environment for too long: a rebuild, the proof of its rollback."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline.core import commands
from pipeline.core.notifications.notification import Notification, Occasion, lines_of
from pipeline.core.notifications.of_deployment import format_utc
from pipeline.core.state.deployment import Deployment, Kind, Result, result_of
from pipeline.core.state.environment import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Days after which something is overdue, 0 for never."""

    rebuild: int = 0
    rollback: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What is known of an environment: its document, its last deployments, newest first.

    `rebuilt` is when `rebuild` last ended well, also with nothing new; UTC, ISO 8601, or empty.
    """

    document: Environment
    history: tuple[Deployment, ...]
    rebuilt: str = ""


def overdue(done: Done, limits: Limits, now: datetime) -> Iterator[Notification]:
    """Yield what is overdue, at most once a day by its key; nothing if no release serves.

    What was never done counts from the first deployment that is recorded. The rollback of a first
    release is impossible, so it is not missed.
    """
    document = done.document
    if not document.serving:
        return
    first = min((each.began for each in done.history), default="")
    name = document.environment
    if limits.rebuild:
        last = max([done.rebuilt, *_ended(done.history, _is_rebuild)], default="")
        found = _days(last or first, now)
        if found is not None and found >= limits.rebuild:
            title = f"no rebuild for {_show(found)}"
            yield _notice(done, Occasion.NO_REBUILD, title, last, commands.rebuild(name), now)
    if limits.rollback and document.retired:
        drill = document.drill
        proven = [drill.ended] if drill and not drill.reason else []
        last = max([*proven, *_ended(done.history, _is_proof)], default="")
        found = _days(last or first, now)
        if found is not None and found >= limits.rollback:
            title = f"rollback not proven for {_show(found)}"
            yield _notice(done, Occasion.ROLLBACK_UNPROVEN, title, last, commands.drill(name), now)


def _ended(history: Iterable[Deployment], wanted: Callable[[Deployment], bool]) -> list[str]:
    return [each.ended for each in history if each.ended and wanted(each)]


def _is_rebuild(deployment: Deployment) -> bool:
    return deployment.kind is Kind.REBUILD and result_of(deployment) is Result.PROMOTED


def _is_proof(deployment: Deployment) -> bool:
    """Return True for a drill that proved a rollback, and for a rollback."""
    if deployment.kind is Kind.DRILL:
        return result_of(deployment) is Result.PROVEN
    return deployment.kind is Kind.ROLLBACK and result_of(deployment) is Result.PROMOTED


def _days(since: str, now: datetime) -> int | None:
    try:
        return (now - datetime.fromisoformat(since)).days
    except (ValueError, TypeError):  # nothing is recorded; TypeError for a time without a zone
        return None


def _show(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


def _notice(
    done: Done, occasion: Occasion, title: str, last: str, command: str, now: datetime
) -> Notification:
    document = done.document
    return Notification(
        key=f"{document.environment}.{now:%Y-%m-%d}.{occasion}",
        occasion=occasion,
        app=document.app,
        environment=document.environment,
        at=now.isoformat(timespec="seconds"),
        title=title,
        lines=lines_of(
            {
                "serves": document.serving,
                "last": format_utc(last) if last else "none is recorded",
                "next": command,
            }
        ),
    )
