"""The OpenTofu stand-in of the end-to-end tests says what OpenTofu 1.12.6 said."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.standin.tofu import translated

CAPTURES = Path(__file__).parents[2] / "captures"
_CHANGING = re.compile(
    r'"@timestamp":"[^"]*"|lt-[0-9a-f]{17}|cap-\d+|"elapsed_seconds":\d+|after \d+s'
    r"|ID: +[0-9a-f-]{36}|Created: +.*? UTC|Version: +[0-9.]+"
)


def shapes(data: bytes) -> list[str]:
    """Return the lines of an output without what differs in each run, keys of JSON sorted."""
    lines = _CHANGING.sub("-", data.decode()).splitlines()
    return [_sorted(line) for line in lines if line.strip()]


def _sorted(line: str) -> str:
    text = line.replace("{-,", "{").replace(",-,", ",").replace(",-}", "}").replace(",-", "")
    return json.dumps(json.loads(text), sort_keys=True) if text.startswith('{"') else text


@pytest.mark.parametrize(
    "name",
    [
        *("plan-create.out", "plan-nothing.out", "plan-update.out", "plan-replace.out"),
        *("plan-destroy.out", "plan-locked.out", "plan-without-init.out", "plan-bad-var.out"),
        *("apply-create.out", "apply-update.out", "validate-json.out"),
        *("state-list-no-state.err",),
    ],
)
def test_the_same_command_is_told_in_the_words_of_opentofu(name: str) -> None:
    said = (CAPTURES / "terraform-1.11.4" / name).read_bytes().splitlines(keepends=True)
    expected = (CAPTURES / "opentofu-1.12.6" / name).read_bytes()
    told, wanted = shapes(b"".join(map(translated, said))), shapes(expected)
    if name.endswith(".err"):  # the two wrap the same words at other columns
        told, wanted = " ".join(told).split(), " ".join(wanted).split()
    assert told == wanted
