"""Read what the members of an environment log: their journals, else their consoles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from pipeline.app.application import Application
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.inspection.members import read_members
from pipeline.core.errors import PipelineError, RefusedError
from pipeline.core.inspection.log_lines import (
    JournalPart,
    LogLine,
    console_lines,
    in_order,
    lines_of_journal,
    printed_since,
)
from pipeline.core.inspection.members import EnvironmentMember, choose

MOST_MEMBERS = 50
"""Members whose logs are read at once, the most that one SendCommand takes."""
WITHIN = 20.0
"""Real seconds to wait for the answers of SSM Agent."""
INTERVAL = 5.0
"""Seconds of the cloud's clock between two readings of `logs --follow`."""
THREADS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class LogChoice:
    """Whose lines to read, and how many of each member at first; empty names choose all."""

    release: str = ""
    member: str = ""
    lines: int = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPart:
    """Lines in order of time; `notes` are about the reading, new ones only."""

    lines: tuple[LogLine, ...]
    notes: tuple[str, ...]


@dataclass(kw_only=True)
class LogReader:
    """The logs of one environment: the last lines first, then those that are new.

    A journal is read through Systems Manager; a member that it does not manage has a console.
    """

    app: Application
    environment: str
    choice: LogChoice
    reader: EnvironmentReader = field(init=False)
    _cursors: dict[str, str] = field(default_factory=dict, init=False)
    _consoles: dict[str, str] = field(default_factory=dict, init=False)
    _notes: dict[str, None] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Make the reader of the environment; raises ConfigurationError if it is unknown."""
        self.reader = EnvironmentReader(app=self.app, environment=self.environment)
        self.reader.require_known()

    @property
    def interval(self) -> float:
        """Real seconds to wait between two readings."""
        return max(INTERVAL / self.reader.pace.speed, 0.5)

    def read(self) -> LogPart:
        """Return the lines since the last reading; raises RefusedError if AWS does not answer."""
        known, notes = len(self._notes), self._notes
        document = self.reader.document()
        members = read_members(self.reader, document)
        chosen = choose(document, members, release=self.choice.release, member=self.choice.member)
        if not chosen:
            self._note(f"{self.environment} has no members now")
        if len(chosen) > MOST_MEMBERS:
            limit = f"showing {MOST_MEMBERS} of {len(chosen)} members"
            self._note(f"{limit}: choose with --release or --member")
        shown = chosen[:MOST_MEMBERS]
        parts, missing = self._journals(shown)
        lines = [*self._of_journals(shown, parts), *self._of_consoles(shown, missing)]
        return LogPart(lines=in_order(map(self._masked, lines)), notes=tuple(notes)[known:])

    def _journals(
        self, members: Sequence[EnvironmentMember]
    ) -> tuple[Mapping[str, JournalPart], Mapping[str, str]]:
        """Return the parts of the journals, and why those of other members cannot be read."""
        if not members:
            return {}, {}
        from pipeline.adapters.aws.client import translate_errors
        from pipeline.adapters.aws.members.journals import JournalReader

        region = self.app.settings.region
        journals = JournalReader(
            clients=self.reader.clients,
            region=region,
            within=WITHIN,
            sleep=self.app.interrupts.sleep,
        )
        ids = [each.id for each in members]
        try:
            with translate_errors("reading the journals", region):
                found = journals.read(ids, self.choice.lines, self._cursors)
        except PipelineError as error:
            self._note(f"{error.where}: {error.what}; the consoles are shown; {error.remedy}")
            return {}, dict.fromkeys(ids, "")
        return found.parts, found.missing

    def _of_journals(
        self, members: Iterable[EnvironmentMember], parts: Mapping[str, JournalPart]
    ) -> Iterator[LogLine]:
        for each in members:
            if part := parts.get(each.id):
                if part.cut:
                    self._note(f"{each.id}: earlier lines were left out, its journal is too long")
                if part.cursor:
                    self._cursors[each.id] = part.cursor
                yield from lines_of_journal(each.id, each.release, part)

    def _of_consoles(
        self, members: Sequence[EnvironmentMember], missing: Mapping[str, str]
    ) -> Iterator[LogLine]:
        """Yield the new lines of the consoles of members whose journal could not be read.

        A member whose journal was read before has no answer now, and its console is another text.
        """
        wanted = [each for each in members if each.id in missing]
        for reason in dict.fromkeys(filter(None, missing.values())):
            ids = ", ".join(each.id for each in wanted if missing[each.id] == reason)
            self._note(f"{ids}: {reason}; showing the console instead")
        consoles = self._read_consoles([each for each in wanted if each.id not in self._cursors])
        for each in wanted:
            text = consoles.get(each.id, "")
            new = printed_since(self._consoles.get(each.id, ""), text)
            self._consoles[each.id] = text or self._consoles.get(each.id, "")
            for line in console_lines(new, self.choice.lines):
                yield LogLine(
                    member=each.id, release=each.release, source="console", at="", text=line
                )

    def _read_consoles(self, members: Sequence[EnvironmentMember]) -> dict[str, str]:
        from concurrent.futures import ThreadPoolExecutor

        if not members:
            return {}
        with ThreadPoolExecutor(THREADS) as pool:
            texts = [pool.submit(partial(self._console, each.id)) for each in members]
            found = zip(members, (each.result() for each in texts), strict=True)
            return {each.id: text for each, text in found if text is not None}

    def _console(self, instance: str) -> str | None:
        from pipeline.adapters.aws.client import translate_errors
        from pipeline.adapters.aws.members.consoles import read_console

        region = self.app.settings.region
        try:
            with translate_errors(f"reading the console of {instance}", region):
                return read_console(self.reader.clients, region, instance)
        except RefusedError as error:
            self._note(f"{error.where}: {error.what}; {error.remedy}")
            return None

    @cached_property
    def _mask(self) -> Callable[[str], str]:
        return self.app.masker(self.environment).text

    def _masked(self, line: LogLine) -> LogLine:
        return replace(line, text=self._mask(line.text))

    def _note(self, text: str) -> None:
        self._notes[text] = None
