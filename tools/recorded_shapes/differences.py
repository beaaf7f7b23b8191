"""Compare the shapes of recorded answers with those of the local cloud."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tools.recorded_shapes.shapes import Answers, Shape, modelled, output, shape, unmodelled

ANY_TEXT = {"text", "empty text"}
OTHER_TYPES = {"int", "float", "bool", "datetime"}
ON_PURPOSE = Path(__file__).with_name("on_purpose.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One difference: `what` is missing, extra, form or enumeration."""

    kind: str
    path: str
    what: str
    said: str = ""

    def __str__(self) -> str:
        return f"{self.what:<12} {self.kind}: {self.path} {self.said}".rstrip()


def differences(recorded: Answers, local: Answers) -> Iterator[Difference]:
    """Yield how the local cloud's answers differ from AWS's, kind by kind."""
    for kind, answers in sorted(recorded.items()):
        aws, here = shape(answers), shape(local.get(kind, []))
        yield from _keys(kind, aws, here)
        yield from _forms(kind, aws, here)
        for answer in local.get(kind, []):
            for path, value in set(unmodelled(output(kind), answer)):
                yield Difference(kind=kind, path=path, what="enumeration", said=repr(value))


def _keys(kind: str, aws: Shape, here: Shape) -> Iterator[Difference]:
    """Yield the keys of one side only; below a key that is missing, none is listed again."""
    for what, some, others in (("missing", aws, here), ("extra", here, aws)):
        absent = {path for path in some if path not in others and path}
        for path in sorted(absent):
            above = path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]
            if above not in absent and modelled(output(kind), path):
                yield Difference(kind=kind, path=path, what=what)


def _forms(kind: str, aws: Shape, here: Shape) -> Iterator[Difference]:
    for path in sorted(set(aws) & set(here)):
        other = here[path] - aws[path]
        if other and not (aws[path] & ANY_TEXT and not other & OTHER_TYPES):
            said = f"{', '.join(sorted(other))}; AWS: {', '.join(sorted(aws[path]))}"
            yield Difference(kind=kind, path=path, what="form", said=said)


def on_purpose() -> Mapping[str, list[str]]:
    """Return the patterns of differences that stay, by the reason that the docs give."""
    listed = tomllib.loads(ON_PURPOSE.read_text(encoding="utf-8"))
    return {each["reason"]: each["differences"] for each in listed["on_purpose"]}


def unexplained(found: Iterator[Difference]) -> list[Difference]:
    """Return the differences, each once, that no reason covers."""
    patterns = [each.replace("[", "[[]") for listed in on_purpose().values() for each in listed]
    return [
        each
        for each in dict.fromkeys(found)
        if not any(fnmatchcase(f"{each.what} {each.kind} {each.path}", p) for p in patterns)
    ]
