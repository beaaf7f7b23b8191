"""Read what unhealthy members printed, for the evidence: their journals beside their consoles."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.members.journals import JournalReader, Journals
from pipeline.core.inspection.log_lines import console_lines

LINES = 100
"""The last lines of a journal or a console that are kept."""
SHOWN = 10
"""The last lines of a member that a person sees at once."""
SECONDS = 6.0
"""Real seconds that a rollback waits for the journals at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Printed:
    """What a member printed: its journal or its console; `missing` says why there is nothing."""

    source: str
    lines: Sequence[str] = ()
    missing: str = ""

    @property
    def title(self) -> str:
        """Whose lines these are, and how many at most."""
        return self.source if self.missing else f"{self.source}, its last {LINES} lines"

    @property
    def shown(self) -> list[str]:
        """The lines, or why there are none."""
        if self.missing:
            return [self.missing]
        return [f"| {line}" for line in self.lines[-LINES:]] or ["nothing yet"]


def printed_in_journals(journals: Journals) -> Iterator[Printed]:
    """Yield the journals with the times of their entries."""
    for instance, part in journals.parts.items():
        lines = [f"{at} {text}" for at, text in part.entries]
        yield Printed(source=f"journal of {instance}", lines=lines)
    for instance, reason in journals.missing.items():
        yield Printed(source=f"journal of {instance}", missing=reason)


def printed_on_consoles(consoles: Mapping[str, str | None]) -> Iterator[Printed]:
    """Yield the consoles; None is one that could not be read."""
    for instance, text in consoles.items():
        source = f"console of {instance}"
        if text is None:
            yield Printed(source=source, missing="could not be read")
        else:
            yield Printed(source=source, lines=console_lines(text, LINES))


def last_lines(printed: Sequence[Printed]) -> tuple[str, ...]:
    """Return whose lines they are, and the last ones of the first journal, else console."""
    first = next((each for each in printed if any(map(str.strip, each.lines))), None)
    if first is None:
        return ()
    lines = [line for line in first.lines if line.strip()]
    return (first.source, *lines[-SHOWN:])


class JournalReading:
    """A reading of journals beside other calls; it is given up after `SECONDS`."""

    def __init__(self, clients: Clients, region: str, instances: Sequence[str]) -> None:
        self._found: list[Journals | Exception] = []
        self._until = time.monotonic() + SECONDS
        reader = JournalReader(clients=clients, region=region, within=SECONDS - 1)

        def read() -> None:
            try:
                self._found.append(reader.read(instances, LINES, {}))
            except Exception as error:  # noqa: BLE001  a failure in here must not stop a rollback
                self._found.append(error)

        # A daemon, because a call that hangs must not keep the process either.
        self._thread = threading.Thread(target=read, daemon=True)
        try:
            # Two threads may not make clients at the same time (boto3, "Multithreading").
            found = clients.ssm(region) if instances else None
        except Exception as error:  # noqa: BLE001  the same
            self._found.append(error)
            return
        if found is None:
            self._found.append(Journals())
        else:
            self._thread.start()

    def result(self, failures: list[str]) -> Journals:
        """Return the journals; without them, the reason goes to `failures`."""
        if not self._found:
            self._thread.join(max(self._until - time.monotonic(), 0.0))
        found = self._found[0] if self._found else TimeoutError("no answer in time")
        if isinstance(found, Journals):
            return found
        words = " ".join(str(found).split()) or type(found).__name__
        failures.append(f"the journals: {words}")
        return Journals()
