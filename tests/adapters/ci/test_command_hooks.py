"""Hooks and policies on this machine: their variables, their output, and what a signal means."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest

from pipeline.adapters.ci.command_hooks import KEPT, LEFT_OUT, CommandHooks
from pipeline.adapters.process.signals import Interrupts
from pipeline.core.hooks.hook import Hook, HookResult, Point
from pipeline.core.hooks.output import LONGEST_LINE, LONGEST_OUTPUT
from pipeline.core.hooks.policy import PolicyProgram
from pipeline.core.masking import Masker


@pytest.fixture
def hooks(tmp_path: Path) -> CommandHooks:
    interrupts = Interrupts()
    interrupts.install()
    return CommandHooks(
        environ={"PATH": os.environ["PATH"], "OURS": "kept"},
        folder=tmp_path,
        log=tmp_path / "logs/hooks.log",
        interrupts=interrupts,
        masker=Masker(["hunter2-swordfish"]),
    )


def run(hooks: CommandHooks, code: str, timeout: float = 20.0, **facts: str) -> HookResult:
    command = (sys.executable, "-c", code)
    hook = Hook(at=Point.BEFORE_TRAFFIC, command=command, timeout=timeout)
    return hooks.run(hook, facts, tuple)


def test_a_hook_gets_the_environment_and_the_facts(hooks: CommandHooks) -> None:
    code = "import os; assert os.environ['OURS'] + os.environ['RELEASE'] == 'keptr000001'"
    assert run(hooks, code, RELEASE="r000001") == HookResult(code=0)


def test_a_failed_hook_is_reported_with_its_last_lines(hooks: CommandHooks) -> None:
    done = run(hooks, "import sys; print('not yet'); sys.exit(7)")
    assert done == HookResult(code=7, failure="exit code 7\n| not yet", output="not yet\n")


def test_a_secret_that_a_hook_prints_is_masked(hooks: CommandHooks) -> None:
    code = (
        "import sys, time\nfor part in ('x hunter2', '-swordfish y'):\n"
        "    sys.stdout.write(part); sys.stdout.flush(); time.sleep(0.2)\nsys.exit(1)"
    )
    done = run(hooks, code)
    assert (done.failure, done.output) == ("exit code 1\n| x *** y", "x *** y")
    assert hooks.log.read_text().splitlines()[-1] == "x *** y"


def test_the_output_that_is_kept_is_bounded_and_a_secret_at_its_cut_stays_masked(
    hooks: CommandHooks,
) -> None:
    code = "import sys; sys.stdout.write('hunter2-swordfish' * 1_400_000 + '!'); sys.exit(1)"
    tracemalloc.start()
    done = run(hooks, code)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 12 * KEPT
    assert set(done.output) == {"*", "!"}
    assert len(done.output) == LONGEST_OUTPUT
    assert len(done.failure) < 2 * LONGEST_LINE


def test_the_log_of_a_program_that_prints_without_end_is_bounded(
    hooks: CommandHooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.adapters.ci.command_hooks.MOST_LOGGED", 1000)
    code = "import sys\nfor n in range(2000): print(f'{n:09}')\nsys.exit(3)"
    assert run(hooks, code).failure.endswith("| 000001999")
    first = hooks.log.read_bytes()
    assert (first[:2], first[-len(LEFT_OUT) :]) == (b"$ ", LEFT_OUT)
    assert first.count(b"\n0000") == 100
    assert run(hooks, "print('next')").output == "next\n"
    assert hooks.log.read_text().endswith("\nnext\n")
    assert hooks.log.stat().st_size < 1000
    assert hooks.log.with_name("hooks.log.old").read_bytes() == first


def test_a_signal_ends_a_hook_without_a_failure(hooks: CommandHooks) -> None:
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with hooks.interrupts.held():
        with pytest.raises(KeyboardInterrupt):
            run(hooks, "import time; time.sleep(20)")
        assert hooks.interrupts.answer() == 1


def test_a_hook_that_does_not_end_fails_and_its_end_is_unknown(hooks: CommandHooks) -> None:
    done = run(hooks, "import time; time.sleep(30)", timeout=0.1)
    assert done == HookResult(code=None, failure="did not end within 0.1s")


def test_a_hook_that_a_signal_killed_has_an_unknown_end(hooks: CommandHooks) -> None:
    done = run(hooks, "import os; os.kill(os.getpid(), 9)")
    assert done == HookResult(code=None, failure="exit code -9")


def test_a_hook_that_cannot_be_started_is_a_failure(hooks: CommandHooks) -> None:
    hook = Hook(at=Point.AFTER, command=("./absent",), timeout=1.0)
    done = hooks.run(hook, {}, tuple)
    assert done == HookResult(code=127, failure="cannot be started: No such file or directory")


# --- policies -------------------------------------------------------------------------------------


def decide(hooks: CommandHooks, code: str, plan: bytes) -> HookResult:
    policy = PolicyProgram(command=(sys.executable, "-c", code), timeout=20.0)
    return hooks.decide(policy, {"KIND": "promote"}, plan)


def test_a_policy_reads_the_plan_and_refuses_with_its_last_lines(hooks: CommandHooks) -> None:
    code = (
        "import json, os, sys\nplan = json.load(sys.stdin)\n"
        "sys.exit(f\"{plan['release']} {len(plan['text'])} {os.environ['KIND']} {plan['secret']}\")"
    )
    plan = json.dumps({"release": "r000002", "text": "x" * 200_000, "secret": "hunter2-swordfish"})
    done = decide(hooks, code, plan.encode())
    assert done.failure == "exit code 1\n| r000002 200000 promote ***"


def test_a_policy_that_reads_nothing_of_a_long_plan_is_heard(hooks: CommandHooks) -> None:
    assert decide(hooks, "", b"x" * 1_000_000) == HookResult(code=0)
