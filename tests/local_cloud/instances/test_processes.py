"""Whether a child of the cloud never outlives the work that started it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

import pytest

from local_cloud.instances import processes


async def started(command: str, *, leads: bool) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *["sh", "-c", command],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=leads,
    )


@pytest.mark.parametrize("leads", [True, False])
def test_a_child_is_gone_when_the_task_that_waits_for_it_is_canceled(leads: bool) -> None:
    async def cancel_while_it_runs() -> int | None:
        process = await started("exec sleep 60", leads=leads)

        async def wait() -> None:
            async with processes.attended(process):
                await process.wait()

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return process.returncode

    assert asyncio.run(cancel_while_it_runs()) == -9


def test_the_group_of_a_child_ends_with_it() -> None:
    async def leave_at_once() -> int:
        process = await started("sleep 60 & echo $!; wait", leads=True)
        async with processes.attended(process):
            assert process.stdout
            return int(await process.stdout.readline())

    background = asyncio.run(leave_at_once())
    until = time.monotonic() + 5
    while not processes.is_zombie(background) and time.monotonic() < until:
        time.sleep(0.001)
    assert processes.is_zombie(background)


def test_a_child_that_has_ended_is_left_alone() -> None:
    async def end() -> int | None:
        process = await started("exit 3", leads=True)
        async with processes.attended(process):
            await process.wait()
        return process.returncode

    assert asyncio.run(end()) == 3


def test_no_pipe_of_a_killed_child_outlives_the_event_loop() -> None:
    """A program in a session of its own survives its parent, and holds the pipe."""

    async def leave_at_once() -> tuple[asyncio.subprocess.Process, int]:
        process = await started("setsid sleep 60 & echo $!; wait", leads=True)
        async with processes.attended(process):
            assert process.stdout
            await asyncio.sleep(0.1)  # until setsid has left the group
            return process, int(await process.stdout.readline())

    process, background = asyncio.run(leave_at_once())
    with contextlib.suppress(ProcessLookupError):
        os.kill(background, signal.SIGKILL)
    assert vars(process)["_transport"].get_pipe_transport(1).is_closing()
