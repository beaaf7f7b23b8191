"""Evaluate the simple expressions of a template: literals, variables, and texts that hold them.

A template that computes more is not judged before the build.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_REFERENCE = re.compile(r"(var|local)\.([\w-]+)")
_INTERPOLATION = re.compile(r"\$\{\s*([^{}]*?)\s*\}")
_USER = re.compile(r"\{\{\s*user\s+[`\"']([^`\"']+)[`\"']\s*\}\}")
_WHOLE = re.compile(rf'"{_INTERPOLATION.pattern}"')
_ITEM = re.compile(rf"{_TEXT.pattern}|{_REFERENCE.pattern}")
_LIST = re.compile(rf"\[\s*(?:(?:{_ITEM.pattern})\s*,?\s*)*\]")
_DEEPEST = 16
REFERENCE = re.compile(rf"\bvar\.([\w-]+)|{_USER.pattern}")
"""A variable in an expression of either style."""


def literal(text: str) -> Any:
    """Return the value of a literal; None if it is none, or holds an expression."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return None if "${" in text or "%{" in text else value


def evaluate(
    text: str, variables: Mapping[str, Any], local: Mapping[str, str], *, old_style: bool
) -> str | None:
    """Return the text that an expression evaluates to; None if it is not simple.

    `variables` has values, None for one that is not known; `local` has expressions.
    """
    if old_style:
        return _old(text, variables, _DEEPEST)
    return _new(text, variables, local, _DEEPEST)


def evaluate_list(
    text: str, variables: Mapping[str, Any], local: Mapping[str, str], *, old_style: bool
) -> tuple[str, ...]:
    """Return the texts of a list, those of its items that are simple.

    An old template has a text with commas for it.
    """
    if old_style:
        items = (_old(each, variables, _DEEPEST) for each in text.split(","))
        return tuple(one.strip() for each in items if each for one in each.split(",") if one)
    return _list(text, variables, local, _DEEPEST)


def _list(
    text: str, variables: Mapping[str, Any], local: Mapping[str, str], depth: int
) -> tuple[str, ...]:
    whole = _WHOLE.fullmatch(text)
    reference = _REFERENCE.fullmatch(whole[1] if whole else text)
    if reference and reference[1] == "local" and depth:
        return _list(local.get(reference[2], ""), variables, local, depth - 1)
    if reference:
        value = variables.get(reference[2])
        items = value if isinstance(value, (list, tuple)) else ()
        return tuple(each for each in items if isinstance(each, str))
    if not _LIST.fullmatch(text):
        return ()
    found = (_new(each[0], variables, local, depth) for each in _ITEM.finditer(text))
    return tuple(each for each in found if each)


def _old(text: str, variables: Mapping[str, Any], depth: int) -> str | None:
    result = text
    for name in _USER.findall(text):
        value = _as_text(variables.get(name))
        inner = _old(value, variables, depth - 1) if value is not None and depth else None
        if inner is None:
            return None
        called = _USER.search(result)
        if called:
            result = result[: called.start()] + inner + result[called.end() :]
    return None if "{{" in result else result


def _new(
    text: str, variables: Mapping[str, Any], local: Mapping[str, str], depth: int
) -> str | None:
    if not depth:
        return None
    if reference := _REFERENCE.fullmatch(text):
        kind, name = reference[1], reference[2]
        if kind == "var":
            return _as_text(variables.get(name))
        return _new(local.get(name, ""), variables, local, depth - 1)
    quoted = _TEXT.fullmatch(text)
    if quoted is None:
        return _as_text(literal(text))
    parts = _INTERPOLATION.split(quoted[1])
    inner = [_new(part, variables, local, depth - 1) for part in parts[1::2]]
    plain = parts[::2]
    if None in inner or any("\\" in part or "${" in part or "%{" in part for part in plain):
        return None
    pairs = zip(plain, [*inner, ""], strict=True)
    return "".join(f"{before}{value}" for before, value in pairs)


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (str, int, float)) else None
