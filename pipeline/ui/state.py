"""Render the versions of an environment's document, of its Terraform providers, and hooks."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.core import commands
from pipeline.core.hooks.hook import OnceRun
from pipeline.core.state.document_versions import DocumentVersion, DocumentVersions, Restoration
from pipeline.core.state.environment import Environment
from pipeline.core.state.rebuilding import Rebuilding
from pipeline.core.state.release import release_name
from pipeline.core.terraform.provider_lock import ProviderLock, ProviderUpgrade
from pipeline.ui.text import one_line, table

_HEADINGS = ("VERSION", "WRITTEN", "EPOCH", "SERVING", "IN FLIGHT", "STATE")
_LOST = (
    "next: if the environment was deployed before, restore a backup of the store, or fix "
    "[state] url in pipeline.toml"
)
MOST_LINES = 200
"""How many lines of a difference are shown; a damaged file may have any length."""


def versions_text(versions: DocumentVersions) -> str:
    """Return a line for each version, and the command to run if the current one is damaged."""
    rows = [_HEADINGS, _row("current", versions.current)]
    rows += [_row(str(number), each) for number, each in enumerate(versions.earlier, 1)]
    lines = [one_line(versions.where), *table(rows)]
    if not versions.earlier:
        lines.append("the store has no earlier version")
        if versions.current is None:
            lines.append(_LOST)
    if versions.damaged and versions.newest_intact:
        lines.append(f"next: {commands.state_restore(versions.environment)}")
    return "\n".join(lines)


def _row(number: str, version: DocumentVersion | None) -> tuple[str, ...]:
    if version is None:
        return (number, "", "", "", "", "is missing")
    found = version.environment
    if found is None:
        return (number, _when(version.when), "", "", "", one_line(version.problem))
    flight = found.deployment
    return (
        number,
        _when(version.when),
        str(found.epoch),
        found.serving or "-",
        f"{flight.kind} {flight.id}" if flight else "-",
        "intact",
    )


def _when(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else ""


def versions_document(versions: DocumentVersions) -> dict[str, Any]:
    """Return the versions for a program."""
    return {
        "environment": versions.environment,
        "where": versions.where,
        "damaged": versions.damaged,
        "current": _document(0, versions.current) if versions.current else None,
        "earlier": [_document(number, each) for number, each in enumerate(versions.earlier, 1)],
        "restorable": versions.newest_intact or None,
    }


def _document(number: int, version: DocumentVersion) -> dict[str, Any]:
    found = version.environment
    return {
        "version": number,
        "written": _when(version.when) or None,
        "problem": version.problem or None,
        "epoch": found.epoch if found else None,
        "serving": found.serving if found else None,
        "in_flight": found.deployment.id if found and found.deployment else None,
    }


def difference_text(restoration: Restoration) -> str:
    """Return the problem and the difference, for the confirmation prompt."""
    versions = restoration.versions
    current = versions.current
    problem = current.problem or "is intact" if current else "is missing"
    lines = [f"{versions.where} {problem}", *_cut(restoration.difference)]
    return "\n".join(_safe(line) for line in lines)


def _cut(lines: Iterable[str]) -> list[str]:
    every = list(lines)
    more = len(every) - MOST_LINES
    return [*every[:MOST_LINES], f"... and {more} more lines"] if more > 0 else every


def _safe(line: str) -> str:
    """Return a line that is safe to print, with its mark and its indentation."""
    mark = line[:1] if line[:1] in {"+", "-", " "} and line[:3] not in {"+++", "---"} else ""
    rest = line[len(mark) :]
    return mark + rest[: len(rest) - len(rest.lstrip(" "))] + one_line(rest)


def restored_text(restoration: Restoration) -> str:
    """Return the restored version and the next command."""
    where = one_line(restoration.versions.where)
    lines = [f"restored {where} from version {restoration.number}"]
    return "\n".join([*lines, f"next: {next_command(restoration.document)}"])


def restored_document(restoration: Restoration) -> dict[str, Any]:
    """Return the same for a program, with the difference."""
    return {
        "environment": restoration.document.environment,
        "where": restoration.versions.where,
        "restored": restoration.number,
        "epoch": restoration.document.epoch,
        "difference": list(restoration.difference),
        "next": next_command(restoration.document),
    }


def next_command(document: Environment) -> str:
    """Return the command to run after a restore."""
    command = commands.recover if document.deployment else commands.status
    return command(document.environment)


_RELEASES = ("RELEASE", "ROLE", "VERSION", "IMAGE", "GROUP", "INSTANCES")


def rebuilding_text(found: Rebuilding) -> str:
    """Return the document that would be written, for the confirmation prompt."""
    document = found.document
    rows = [
        (
            name,
            _role(document, name),
            one_line(each.version) or "-",
            one_line(each.release.ami_id),
            each.release.group(document.app, document.environment),
            str(each.release.size.desired),
        )
        for name, each in sorted(document.releases.items(), reverse=True)
    ]
    return "\n".join(
        [
            f"{one_line(found.where)} records nothing; the groups in {document.region} show:",
            *table([_RELEASES, *rows]),
            f"the next release is {release_name(document.next)}",
            "if another store has the document, answer no and fix [state] url",
        ]
    )


def _role(document: Environment, name: str) -> str:
    if name == document.serving:
        return "serving"
    if document.releases[name].removal:
        return "removal pending"
    return "failed" if document.releases[name].failed else "warm"


def rebuilt_text(found: Rebuilding) -> str:
    """Return what was written and the next command."""
    lines = [f"rebuilt {one_line(found.where)}: {found.document.serving} serves"]
    return "\n".join([*lines, f"next: {next_command(found.document)}"])


def rebuilt_document(found: Rebuilding) -> dict[str, Any]:
    """Return the same for a program, with each release."""
    document = found.document
    return {
        "environment": document.environment,
        "where": found.where,
        "serving": document.serving,
        "next_release": release_name(document.next),
        "releases": [
            {
                "release": name,
                "role": _role(document, name),
                "version": each.version or None,
                "image": each.release.ami_id,
            }
            for name, each in sorted(document.releases.items(), reverse=True)
        ],
        "next": next_command(document),
    }


_PROVIDERS = ("PROGRAM", "PROVIDER", "VERSION", "PLATFORMS")


def providers_text(locks: Mapping[str, ProviderLock]) -> str:
    """Return a line for each recorded provider."""
    rows = [
        (program, name, version, ", ".join(lock.platforms))
        for program, lock in sorted(locks.items())
        for name, version in lock.versions.items()
    ]
    if not rows:
        return "no provider is recorded; the next deployment records the versions that it uses"
    return "\n".join(table([_PROVIDERS, *(tuple(map(one_line, row)) for row in rows)]))


def providers_document(environment: str, locks: Mapping[str, ProviderLock]) -> dict[str, Any]:
    """Return the same for a program, with the lock files."""
    return {
        "environment": environment,
        "programs": {
            program: {
                "providers": dict(lock.versions),
                "platforms": list(lock.platforms),
                "lock_file": lock.text,
            }
            for program, lock in sorted(locks.items())
        },
    }


def upgrade_text(upgrade: ProviderUpgrade) -> str:
    """Return each provider that changes, and Terraform's summary of its plan with them."""
    rows = [
        (one_line(name), one_line(before) or "none", "->", one_line(after) or "none")
        for name, before, after in upgrade.changes
    ]
    return "\n".join([*table(rows), one_line(upgrade.plan.summary)])


def upgraded_text(upgrade: ProviderUpgrade) -> str:
    """Return what was recorded."""
    if not upgrade.changes:
        return "the recorded providers are the newest that the configuration allows"
    return "\n".join(
        f"recorded {one_line(name)} {one_line(after)}" if after else f"removed {one_line(name)}"
        for name, _, after in upgrade.changes
    )


def upgrade_document(environment: str, upgrade: ProviderUpgrade) -> dict[str, Any]:
    """Return the same for a program."""
    return {
        "environment": environment,
        "changes": [
            {"provider": name, "before": before or None, "after": after or None}
            for name, before, after in upgrade.changes
        ],
        "plan": upgrade.plan.summary,
    }


def once_text(environment: str, runs: Sequence[OnceRun]) -> str:
    """Return a line for each hook that ran once, and what to do about an unknown end."""
    if not runs:
        return f"no hook with once has run in {one_line(environment)}"
    rows = [("IMAGE", "POINT", "COMMAND", "BEGAN", "ENDED", "DEPLOYMENT")]
    rows += [
        (
            one_line(each.image),
            str(each.at),
            one_line(shlex.join(each.command)),
            each.began,
            _end(each),
            one_line(each.deployment),
        )
        for each in runs
    ]
    lines = table(rows)
    if any(each.is_unknown for each in runs):
        ended, again = (commands.state_hooks(environment, flag) for flag in ("ended", "again"))
        lines += ["next: find out whether the program has ended and what it did, then:"]
        lines += [f"  {ended}  # it did its work", f"  {again}  # run it again"]
    return "\n".join(lines)


def _end(run: OnceRun) -> str:
    if run.is_unknown:
        return "unknown"
    return run.ended if run.is_done else f"{run.ended}, exit code {run.code}"


def once_document(environment: str, runs: Sequence[OnceRun]) -> dict[str, Any]:
    """Return the hooks that ran once, for a program; `code` is null if the end is unknown."""
    return {
        "environment": environment,
        "hooks": [
            {
                "ami_id": each.image,
                "at": str(each.at),
                "command": list(each.command),
                "release": each.release,
                "deployment": each.deployment,
                "began": each.began,
                "ended": each.ended or None,
                "code": each.code,
            }
            for each in runs
        ],
    }
