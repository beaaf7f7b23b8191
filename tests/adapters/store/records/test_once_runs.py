"""The records of hooks that run once: nothing but a known failure is replaced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.adapters.store.base import Store
from pipeline.adapters.store.records.once_runs import OnceRuns
from pipeline.core.errors import RefusedError
from pipeline.core.hooks.hook import OnceRun, Point

BEGAN, ENDED = "2026-11-21T12:00:00+00:00", "2026-11-21T12:01:00+00:00"
RUN = OnceRun(
    image="ami-00000001",
    at=Point.BEFORE_LAUNCH,
    command=("./migrate", "--all"),
    deployment="d",
    release="r000002",
    began=BEGAN,
)


@pytest.fixture
def runs(store: Store) -> OnceRuns:
    return OnceRuns(store, "staging")


def test_the_beginning_and_the_end_of_a_hook_are_kept(runs: OnceRuns, store: Store) -> None:
    assert (runs.find(RUN), runs.all()) == (None, ())
    runs.begin(RUN)
    assert runs.find(RUN) == RUN
    runs.end(RUN, ended=ENDED, code=0)
    assert runs.all() == (replace(RUN, ended=ENDED, code=0),)
    assert runs.find(replace(RUN, deployment="e", began=ENDED)) == runs.all()[0]
    assert OnceRuns(store, "production").all() == ()


@pytest.mark.parametrize(
    "other", [{"image": "ami-2"}, {"at": Point.AFTER}, {"command": ("./migrate",)}], ids=str
)
def test_another_image_point_or_command_is_another_hook(
    runs: OnceRuns, other: dict[str, str]
) -> None:
    runs.begin(RUN)
    assert runs.find(replace(RUN, **other)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [None, 0])
def test_a_hook_that_runs_or_succeeded_does_not_begin_again(
    runs: OnceRuns, code: int | None
) -> None:
    runs.begin(RUN)
    if code is not None:
        runs.end(RUN, ended=ENDED, code=code)
    with pytest.raises(RefusedError, match="another run writes it"):
        runs.begin(replace(RUN, deployment="e"))


def test_a_hook_that_failed_or_was_forgotten_begins_again(runs: OnceRuns) -> None:
    runs.begin(RUN)
    runs.end(RUN, ended=ENDED, code=1)
    again = replace(RUN, deployment="e")
    runs.begin(again)
    assert runs.find(RUN) == again
    runs.forget(RUN)
    assert runs.find(RUN) is None
    runs.forget(RUN)
    runs.begin(RUN)


def test_a_write_whose_answer_was_lost_is_recognized(runs: OnceRuns) -> None:
    runs.begin(RUN)
    runs._write(RUN, None)  # as the store repeats it
    with pytest.raises(RefusedError, match="another run writes it"):
        runs._write(replace(RUN, deployment="e"), None)


def test_a_damaged_record_never_lets_a_hook_run(runs: OnceRuns, store: Store) -> None:
    store.write(f"hooks/staging/{RUN.name}.json", b"{}", expected=None)
    with pytest.raises(RefusedError, match="it is unknown whether a hook ran"):
        runs.find(RUN)
