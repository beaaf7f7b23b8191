r"""Parse the output of `packer -machine-readable` while Packer prints it.

The parser does not start Packer, so that every captured output can be replayed through it. The
grammar is that of packer/ui.go, `MachineReadableUi.Machine` (1.6.6 to 1.16):

    line = seconds "," target "," type *("," argument) LF

Only commas, CR and LF of an argument are escaped; the target is not escaped. Only LF ends a line:
`str.splitlines` would also split at \v, U+0085 and others inside a line.

Facts are read from the original bytes; displayed and logged text is masked. A line longer than
`LONGEST_LINE` is passed on in pieces, so a provisioner's output cannot exhaust the memory.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pipeline.adapters.packer.build_names import BuildNames
from pipeline.adapters.packer.masked_names import MASK, unmasked
from pipeline.adapters.packer.resource_traces import ResourceTraces, may_name_resources
from pipeline.core.bake.model import BuildResources
from pipeline.core.masking import Masker

LONGEST_LINE = 1 << 18
LAST_LINES = 10
BURST = 50
"""More steps than this in one chunk are provisioner output (Packer >= 1.13 prints it with `say`).
Then only the newest step of each build is displayed; the log has all of them."""

_CLEANUP = b"Provisioning step had errors: Running the cleanup provisioner"
"""Packer says this after every failure of a build that has an instance (1.6.6 to 1.16)."""
_UI_FIELDS = 5
_MASK = MASK.encode()
_IMAGE = re.compile(r"([a-z]{2,4}(?:-[a-z]+)+-\d+):(ami-[0-9a-f]{8,17})")
_OF_BUILD = re.compile(
    rb"\d+,(?P<build>.+),(?P<kind>artifact-count|artifact|error),(?P<arguments>"
    rb"(?<=artifact-count,)\d+|(?<=artifact,)\d+,(?:end|(?:builder-id|id|string|files-count),[^,]*"
    rb"|file,\d+,[^,]*)|(?<=error,)[^,]*)",
    re.DOTALL,
)
"""A line of a build, matched from its end: Packer escapes a comma in an argument, not in a name."""
_ENDED = re.compile(rb"(?:\S+Z: )?Build '(.+?)' (?:finished|errored)(?: after \d|\.)", re.DOTALL)


def unescape(argument: bytes) -> str:
    r"""Return an argument as text; a literal `\n` cannot be told from an escaped newline."""
    text = argument.decode("utf-8", "replace")
    return text.replace("%!(PACKER_COMMA)", ",").replace("\\r", "\r").replace("\\n", "\n")


def readable(data: bytes) -> bytes:
    """Return lines of the stream in readable form: seconds and text, with its commas.

    A ui line's target is empty and its text has no comma, so `,,ui,say,` occurs only at its start.
    """
    for kind in (b"say", b"message", b"error"):
        data = data.replace(b",,ui," + kind + b",", b" ")
    return data.replace(b"%!(PACKER_COMMA)", b",")


@dataclass(kw_only=True, slots=True)
class Artifact:
    """One artifact block; `complete` once its `end` line was read."""

    build: str
    id: str = ""
    complete: bool = False

    @property
    def images(self) -> dict[str, str]:
        """The AMI of each region; empty for an artifact of another kind."""
        parts = (_IMAGE.fullmatch(part.strip()) for part in self.id.split(","))
        return {part[1]: part[2] for part in parts if part}


@dataclass(kw_only=True, slots=True)
class Stream:
    """The facts read so far. `records` are the lines of other types: type, arguments.

    `masked` if Packer masked a part of its facts: the value of a sensitive variable occurs in them.
    """

    artifacts: dict[tuple[str, str], Artifact] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    error_count: int = 0
    cancelled: bool = False
    masked: bool = False
    problems: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    records: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    ui_text: list[str] = field(default_factory=list)
    plain: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    panic: list[str] = field(default_factory=list)
    traces: ResourceTraces = field(default_factory=ResourceTraces)
    ended: dict[str, None] = field(default_factory=dict)
    last_lines: dict[bytes, deque[bytes]] = field(default_factory=dict)
    before_cleanup: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    others: set[bytes] = field(default_factory=set)

    def images(self) -> dict[str, dict[str, str]]:
        """Return the AMIs of each build with a complete artifact, repeated artifacts merged."""
        found: dict[str, dict[str, str]] = {}
        for artifact in self.artifacts.values():
            if artifact.complete and artifact.images:
                found.setdefault(artifact.build, {}).update(artifact.images)
        return found

    def builds(self) -> tuple[str, ...]:
        """Return the names of the builds that ended or, before any has, that printed something.

        Lines of post-processors have the name `build (type)`; they are not builds.
        """
        names = (unescape(name) for name in self.last_lines if name and name not in self.others)
        return tuple(self.ended) or tuple(names)

    def last(self, build: str) -> tuple[str, ...]:
        """Return the last lines of one build before its clean-up, or of Packer without a build."""
        known = {**self.last_lines, **self.before_cleanup}
        names = {unmasked(unescape(name), [build]): name for name in known}
        name = names.get(build, b"")
        own = self.before_cleanup.get(name) or self.last_lines.get(name)
        lines = own or self.last_lines.get(b"") or ()
        return tuple(unescape(line).strip("\n") for line in lines)

    @property
    def resources(self) -> BuildResources:
        """The resources named by each build: temporary ones before provisioners, and its AMI."""
        return self.traces.resources

    @property
    def source_ami(self) -> str:
        """The source image; empty unless all builds use the same one."""
        return self.traces.source_ami


class StreamReader:
    """Parses chunks of output into `stream`, and writes the log and the steps.

    `log` gets masked bytes in readable form. `step` is called with the build and the masked text
    of each step. `keep_text` keeps all text, for the short output of `version` and `inspect`.
    `names` knows the builds of the template.
    """

    def __init__(
        self,
        *,
        masker: Masker | None = None,
        log: Callable[[bytes], object] | None = None,
        step: Callable[[str, str], None] | None = None,
        keep_text: bool = False,
        names: BuildNames | None = None,
    ) -> None:
        self.stream = Stream()
        self._names = names or BuildNames()
        self._masker = masker or Masker()
        self._log = log
        self._step = step
        self._keep_text = keep_text
        self._rest = b""
        self._inside_line = False
        self._may_trace = False
        self._steps: list[tuple[bytes, bytes]] = []

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes; a chunk may end anywhere."""
        data = self._rest + chunk
        end = data.rfind(b"\n") + 1
        if end:
            self._take(data[:end])
        elif len(data) > LONGEST_LINE:
            end = self._masker.settled(data)
            self._take(data[:end])
        self._rest = data[end:]

    def close(self) -> Stream:
        """Parse a last line without a newline; return all facts."""
        if self._rest:
            self._take(self._rest)
            self._rest = b""
        return self.stream

    def _take(self, data: bytes) -> None:
        if self._log is not None:
            self._log(readable(self._masker.mask(data)))
        self._may_trace = may_name_resources(data)
        lines = data.split(b"\n")
        start = 1 if self._inside_line else 0
        self._inside_line = bool(lines[-1])
        for line in lines[start:]:
            if line:
                self._line(line)
        self._report_steps()

    def _line(self, line: bytes) -> None:
        fields = line.split(b",", 4)
        if len(fields) == _UI_FIELDS and fields[2] == b"ui" and not fields[1]:
            self._ui(fields[3], fields[4])
        elif fields[0].isdigit() and len(fields) > 2:  # noqa: PLR2004 - seconds, target, type
            self._record(line)
        else:
            self._outside(line[:LONGEST_LINE].decode("utf-8", "replace"))

    def _outside(self, text: str) -> None:
        """Keep a line that is not in Packer's format: usage, another program, or a crash of Go."""
        self.stream.plain.append(text)
        crashed = text.startswith(("panic: ", "fatal error: "))
        if (crashed or self.stream.panic) and len(self.stream.panic) < LAST_LINES:
            self.stream.panic.append(text)

    def _ui(self, kind: bytes, text: bytes) -> None:
        build, other, words = self._names.split(text)
        self._keep(build, words)
        if other:
            self.stream.others.add(build)
        elif self._may_trace or self.stream.traces.awaits_image:
            self.stream.traces.read(kind, build, words)
        if kind == b"error":
            self.stream.problems.append(unescape(text).strip())
        elif build and kind == b"say" and text.startswith(b"==>"):
            self._steps.append((build, words))
        if not build:
            self._packers_own(words)
        if self._keep_text:
            self.stream.ui_text.append(unescape(text))

    def _keep(self, build: bytes, words: bytes) -> None:
        kept = self.stream.last_lines.get(build)
        if kept is None:
            kept = self.stream.last_lines[build] = deque(maxlen=LAST_LINES)
        if words.startswith(_CLEANUP):
            self.stream.before_cleanup[build] = tuple(kept)
        kept.append(words[:LONGEST_LINE])

    def _packers_own(self, words: bytes) -> None:
        if words.startswith(b"Cleanly cancelled builds"):
            self.stream.cancelled = True
        elif ended := _ENDED.match(words):
            self.stream.ended[unescape(ended[1])] = None
            self.stream.masked |= _MASK in ended[1]

    def _record(self, line: bytes) -> None:
        target, kind, arguments = _place(line)
        self.stream.masked |= kind != "error" and _MASK in line
        match kind, arguments:
            case "artifact-count", [count]:
                self.stream.counts[target] = int(count) if count.isdigit() else 0
            case "artifact", [index, key, *values]:
                self._artifact(target, index, key, ",".join(values))
            case "error", _:
                self.stream.errors[target] = ",".join(arguments)
            case "error-count", [count]:
                self.stream.error_count = int(count) if count.isdigit() else 0
            case _:
                self.stream.records.append((kind, arguments))

    def _artifact(self, build: str, index: str, key: str, value: str) -> None:
        artifact = self.stream.artifacts.setdefault((build, index), Artifact(build=build))
        if key == "id":
            artifact.id = value
        elif key == "end":
            artifact.complete = True

    def _report_steps(self) -> None:
        steps, self._steps = self._steps, []
        if self._step is None:
            return
        if len(steps) > BURST:
            steps = list(dict(steps).items())
        for build, words in steps:
            text = self._masker.text(unescape(words[:LONGEST_LINE]))
            self._step(unescape(build), text.strip())


def parse_log(log: bytes) -> BuildResources:
    """Return the temporary resources named in a bake's log, for a bake that died unrecorded.

    Images are left out, with their names: in a log a provisioner's text has the form of Packer's
    own. Only the temporary resources come before the first provisioner.
    """
    reader = StreamReader()
    for line in log.splitlines():
        when, _, text = line.partition(b" ")
        if when.isdigit():
            reader.feed(b"%s,,ui,say,%s\n" % (when, text))
    return replace(reader.close().resources, images=(), names=(), volumes=())


def _place(line: bytes) -> tuple[str, str, tuple[str, ...]]:
    """Return target, type and arguments; Packer does not escape a comma in a build's name."""
    if found := _OF_BUILD.fullmatch(line):
        target, kind, arguments = found["build"], found["kind"], found["arguments"].split(b",")
    else:
        _, target, kind, *arguments = line.split(b",")
    return (
        target.decode("utf-8", "replace"),
        kind.decode("utf-8", "replace"),
        tuple(unescape(argument) for argument in arguments),
    )
