"""Run every command with the policy of its role: no call may be denied."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

from tests.policies.cases import ADOPT, EVENTS, LOGS
from tests.policies.world import ENVIRONMENT, World

HERE = ("-e", ENVIRONMENT)
WITHIN = 120.0
"""Seconds until a deployment must have reached the phase in which it is killed."""
READS = (
    ("status",),  # what the first page of the dashboard reads; the page of an environment: the next
    ("status", *HERE),
    ("history", *HERE),
    ("report", *HERE),
    ("images",),
    ("images", "--tree"),
    ("doctor", *HERE),
)
READS_STATE = (("lock", "show", *HERE), ("state", "show", *HERE))


def run_every_command(world: World) -> list[str]:
    """Return the commands that failed and the calls that were denied, as lines."""
    world.cloud.client.forget_permissions()
    found = [
        *_bakes(world),
        *_deployments(world),
        *_reads(world),
        *_rebuild(world),
        *_prunes(world),
        *_destroy(world),
    ]
    denied = world.cloud.client.denials()
    return [*found, *(f"{each['role']}: {each['action']} on {each['resource']}" for each in denied)]


def _bakes(world: World) -> Iterator[str]:
    keys = world.keys("bake", world.policy("bake"))
    for words in (("bake", "--version", "3.0.0"), ("bake", "--version", "4.0.0")):
        yield from _run(world, words, keys)
    yield from _run(world, ("images",), keys)
    yield from _run(world, ("doctor",), keys)


def _deployments(world: World) -> Iterator[str]:
    """Promote, go back to a warm and to a deleted group, each after a drill; end killed runs."""
    keys = world.keys("deploy", world.policy("deploy"))
    old, new = world.site.testbed.old, world.site.testbed.new
    promote = ("promote", *HERE, "--yes", "--allow-quarantined", "--image")
    yield from _run(world, (*promote, old), keys)
    yield from _run(world, (*promote, new), keys)
    yield from _run(world, ("rollback", "drill", *HERE), keys)
    yield from _run(world, ("rollback", *HERE, "--yes"), keys)
    for finishing in (("recover", *HERE), ("abort", *HERE)):
        _kill_in_soak(world, (*promote, new), keys)
        yield from _run(world, finishing, keys, allowed={0, 4})
    serving = world.document()["serving"]
    other = new if world.site.testbed.old == world.image_of(serving) else old
    world.configure(keep_previous="none")
    yield from _run(world, (*promote, other), keys)
    yield from _run(world, ("rollback", "drill", *HERE), keys)
    yield from _run(world, ("rollback", *HERE, "--yes", "--to", serving), keys)
    world.configure()
    for words in (*READS, *READS_STATE, ADOPT):
        yield from _run(world, words, keys)


def _reads(world: World) -> Iterator[str]:
    keys = world.keys("read", world.policy("read"))
    for words in (*READS, *READS_STATE, EVENTS):
        yield from _run(world, words, keys)
    keys = world.keys("inspect", world.policy("inspect"))
    for words in (EVENTS, LOGS):
        yield from _run(world, words, keys)


def _rebuild(world: World) -> Iterator[str]:
    """Rebuild with the policy of both roles, once a promotion allows it."""
    keys = world.keys("nightly", world.policy())
    newest = world.site.testbed.new
    promote = ("promote", *HERE, "--yes", "--allow-quarantined", "--image", newest)
    yield from _run(world, promote, keys)
    yield from _run(world, ("rebuild", *HERE, "--version", "5.0.0"), keys, allowed={0, 3})


def _destroy(world: World) -> Iterator[str]:
    """Delete every group, the serving one too; a prune after it would keep no image."""
    keys = world.keys("deploy", world.policy("deploy"))
    confirmed = ("destroy", *HERE, "--confirm", HERE[1], "--with-traffic")
    yield from _run(world, confirmed, keys)


def _prunes(world: World) -> Iterator[str]:
    """Remove what no release needs, also the images of others."""
    keys = world.keys("prune", world.policy("prune"))
    path = world.site.project.folder / "pipeline.toml"
    path.write_text(path.read_text().replace("[bake]\n", "[bake]\nkeep = 1\n"))
    for words in (("prune", "--plan"), ("prune", "--yes"), ("prune", "--yes")):
        yield from _run(world, words, keys)


def _run(
    world: World, words: tuple[str, ...], keys: dict[str, str], allowed: set[int] | None = None
) -> Iterator[str]:
    done = world.run(words, keys)
    print(f"{done.seconds:5.1f}s {' '.join(words)}: exit {done.code}", flush=True)  # noqa: T201  its output
    if done.code not in (allowed or {0}):
        text = f"{' '.join(words)}: exit {done.code}: {done.err[-1500:]}"
        print(text, flush=True)  # noqa: T201  its output
        yield text


def _kill_in_soak(world: World, words: tuple[str, ...], keys: dict[str, str]) -> None:
    """Kill a promotion in soak, as a machine that loses power."""
    world.configure(soak="1h")
    running = world.start(words, keys)
    deadline = time.monotonic() + WITHIN
    while (world.document().get("deployment") or {}).get("phase") != "soak":
        assert time.monotonic() < deadline, "the promotion did not reach soak"
        time.sleep(0.2)
    os.kill(running.pid, signal.SIGKILL)
    running.finish()
    world.configure()
