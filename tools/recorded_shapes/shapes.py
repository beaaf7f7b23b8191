"""Reduce answers of AWS to their shapes: which keys they have, and the forms of their values."""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import botocore.session

Answer: TypeAlias = Mapping[str, Any]
Answers: TypeAlias = Mapping[str, list[Answer]]
"""By kind, for example `ec2.DescribeImages`: the service is its prefix in the recordings."""

Shape: TypeAlias = dict[str, set[str]]
"""The forms of the values below each path, for example `Images[].ImageId`: `ami-…`."""

SERVICES = {"monitoring": "cloudwatch"}
"""boto3's names of services that the recordings name otherwise."""

SIBLINGS = {"elb": "elbv2"}
"""Services that share an endpoint, so that a recorder may name the one for the other."""

FORMS = (
    (r"arn:[\w-]+:([\w-]+):[^: ]*:[^: ]*:([\w-]+)[:/][^ ]+", r"arn \1 \2"),
    (r"arn:[\w-]+:([\w-]+):[^ ]+", r"arn \1"),
    (r"([a-z]+)-(?:[0-9a-f]{8}|[0-9a-f]{17})", r"\1-…"),
    (r"(eni|sgr|vol|eipalloc)-(attach-)?[0-9a-f]{8,17}", r"\1-\2…"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(.*)", r"time text \1\2"),
    (r"\d+\.\d+\.\d+\.\d+", "address"),
    (r"([0-9a-f]{2}:){5}[0-9a-f]{2}", "hardware address"),
    (r"[a-z]{2}-[a-z]+-\d[a-z]", "zone"),
    (r"\d+%", "percentage"),
    (r"\d{12}", "account"),
    (r"\d+", "digits"),
    (r"true|false", "truth as text"),
    (r"", "empty text"),
)


def form(value: object) -> str:
    """Return the form of a value that has no parts."""
    if isinstance(value, str):
        for pattern, named in FORMS:
            if found := re.fullmatch(pattern, value):
                return re.sub(r"\d", "0", found.expand(named))
        return "text"
    return type(value).__name__


def shape(answers: Iterable[Answer]) -> Shape:
    """Return the shape of all these answers together."""
    found: Shape = defaultdict(set)
    for answer in answers:
        for path, value in values(answer):
            found[path].add(form(value))
    return dict(found)


def values(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of an answer with its path; lists of attributes are keyed by their names."""
    match value:
        case {"Key": key, "Value": text} if path.endswith("Attributes[]"):
            yield f"{path[:-2]}[{key}]", text
        case Mapping():
            yield path, {}
            for key, part in value.items():
                if key != "ResponseMetadata":
                    yield from values(part, f"{path}.{key}".lstrip("."))
        case list():
            yield path, []
            for part in value:
                yield from values(part, f"{path}[]")
        case _:
            yield path, value


def read(folder: Path) -> Answers:
    """Return the successful recordings in `folder`/SERVICE.Action/*.json, by kind."""
    found: defaultdict[str, list[Answer]] = defaultdict(list)
    for file in sorted(folder.glob("*.*/*.json")):
        recorded = json.loads(file.read_text(encoding="utf-8"), object_hook=revive)
        if recorded["status"] == 200:  # noqa: PLR2004  the only success of these actions
            found[kind(file.parent.name, recorded["data"])].append(recorded["data"])
    return found


def revive(decoded: dict[str, Any]) -> Any:
    """Return the datetime that placebo wrote as an object."""
    if decoded.get("__class__") != "datetime":
        return decoded
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return datetime(**{part: decoded[part] for part in parts}, tzinfo=UTC)


def kind(named: str, answer: Answer) -> str:
    """Return the kind of an answer: that of the sibling service if only its model fits."""
    service, _, action = named.partition(".")
    if set(answer) - {"ResponseMetadata"} <= set(output(named).members):
        return named
    return f"{SIBLINGS.get(service, service)}.{action}"


@functools.cache
def output(named: str) -> Any:
    """Return botocore's model of the answers of a kind."""
    service, _, action = named.partition(".")
    model = _session().get_service_model(SERVICES.get(service, service))
    return model.operation_model(action).output_shape


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def unmodelled(model: Any, value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each value, with its path, that is in no enumeration of botocore's model."""
    if model.type_name == "structure":
        for key, part in value.items():
            if key in model.members:
                yield from unmodelled(model.members[key], part, f"{path}.{key}".lstrip("."))
    elif model.type_name == "list":
        for part in value:
            yield from unmodelled(model.member, part, f"{path}[]")
    elif getattr(model, "enum", None) and value not in model.enum:
        yield path, value


def modelled(model: Any, path: str) -> bool:
    """Return True if botocore's model has this path: it parses no other key."""
    for key in path.replace("[]", "").split("."):
        while model.type_name == "list":
            model = model.member
        if model.type_name != "structure" or key.partition("[")[0] not in model.members:
            return False
        model = model.members[key.partition("[")[0]]
    return True
