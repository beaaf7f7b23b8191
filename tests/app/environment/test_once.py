"""Hooks with `once` whose end is unknown: which of them stop a promotion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.records.once_runs import OnceRuns
from pipeline.app.environment.once import require_known_ends, unknown_ends
from pipeline.core.errors import RefusedError
from pipeline.core.hooks.hook import Hook, OnceRun, Point
from pipeline.core.state.deployment import Policy

HOOK = Hook(at=Point.BEFORE_LAUNCH, command=("./migrate",), timeout=1.0, once=True)
RUN = OnceRun(
    image="ami-1", at=HOOK.at, command=HOOK.command, deployment="d", release="r000002", began="T"
)


def reader(folder: Path, *hooks: Hook) -> Any:
    store = DirectoryStore(folder)
    return SimpleNamespace(environment="staging", store=store, policy=Policy(hooks=hooks))


def test_an_unknown_end_of_a_configured_hook_of_the_image_stops_a_promotion(tmp_path: Path) -> None:
    OnceRuns(DirectoryStore(tmp_path), "staging").begin(RUN)
    with pytest.raises(RefusedError) as told:
        require_known_ends(reader(tmp_path, HOOK), "ami-1")
    assert str(told.value) == (
        "before-launch hook ./migrate:\n  began for ami-1 at T in d, and its end is unknown: "
        "it is not run again, because it may have changed something\n"
        "next: ami-pipeline state hooks -e staging"
    )
    require_known_ends(reader(tmp_path, HOOK), "ami-2")
    require_known_ends(reader(tmp_path, replace(HOOK, command=("./other",))), "ami-1")
    require_known_ends(reader(tmp_path), "ami-1")


@pytest.mark.parametrize("code", [0, 1])
def test_a_known_end_stops_nothing(tmp_path: Path, code: int) -> None:
    runs = OnceRuns(DirectoryStore(tmp_path), "staging")
    runs.begin(RUN)
    runs.end(RUN, ended="T", code=code)
    assert unknown_ends(reader(tmp_path, HOOK), "ami-1") == []
