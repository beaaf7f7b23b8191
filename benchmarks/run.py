"""`make bench`: the figures the product promises, measured side by side in one run.

Ratios come from pairs run in turn (A B A B ...), so that a machine whose speed
drifts does not decide them; medians are quoted. Writes `benchmarks/latest.json`
and prints the same as a table. Nothing here is a test: a goal that is missed is
shown as missed.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from statistics import median
from typing import Any

from benchmarks.figures import Figure, at_least, at_most, shown, timed
from benchmarks.ground import PROGRAM, REPOSITORY, bench, command
from benchmarks.traffic import traffic_figures
from pipeline.adapters.packer_stream import StreamReader
from pipeline.core.masking import Masker

HEAVY = ("boto3", "botocore", "pydantic", "rich", "moto", "aiohttp", "asyncssh")
GIGABYTE = 10**9
MEBIBYTE = 1 << 20
CHUNK = 1 << 16


def in_turn(
    pairs: int, first: Callable[[], Any], second: Callable[[], Any], *, warm: bool = True
) -> tuple[float, float]:
    """Return the median seconds of two actions run A B A B ..., with `warm` after one of each."""
    if warm:
        first()
        second()
    times = [(timed(first), timed(second)) for _ in range(pairs)]
    return median(one for one, _ in times), median(two for _, two in times)


def help_figures() -> Iterator[Figure]:
    """Compare `--help` with what click alone needs."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    ours, click = in_turn(
        21,
        command([PROGRAM, "--help"], env=env),
        command([sys.executable, "-c", "import click"], env=env),
    )
    yield at_most("--help over import click", ours / click, "x", 1.5)
    probe = (
        "import sys; from pipeline.cli.main import run; run(['--help']); "
        f"print(sum(m in sys.modules for m in {HEAVY!r}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    yield at_most("heavy modules imported by --help", int(done.stderr), "modules", 0)


def compared(speed: float, pairs: int, goal: float | None) -> Iterator[Figure]:
    """Compare `bake` with the same `packer build` by hand at one speed of the local cloud."""
    with bench(speed) as here:
        source = str(here.bake("0.0.1")["source_ami"])
        ours, packer = in_turn(
            pairs,
            lambda: here.bake("1.0.0", "--force"),
            lambda: here.packer(source),
            warm=speed > 1,
        )
    name = f"bake over packer build, delays 1/{speed:g} of AWS's"
    yield shown(f"{name}: by hand", packer, "s")
    yield at_most(name, ours / packer, "x", goal) if goal else shown(name, ours / packer, "x")
    yield shown(f"{name}: ours more", ours - packer, "s")


def unchanged_figures() -> Iterator[Figure]:
    """Time a bake that has nothing to do, and count its calls."""
    with bench(1000) as here:
        here.bake("1.0.0")
        here.bake("1.0.0")
        here.client.forget_calls()
        times = [timed(lambda: here.bake("1.0.0")) for _ in range(9)]
        calls = sum(call["calls"] for call in here.client.calls()) / len(times)
    yield at_most("unchanged bake", median(times), "s", 1.0)
    yield at_most("unchanged bake: AWS calls", calls, "calls", 5)


def six_at_once() -> Iterator[Figure]:
    """Bake six versions at the same time."""
    with bench(1000) as here:
        began = time.perf_counter()
        with ThreadPoolExecutor(6) as pool:
            baked = list(pool.map(lambda number: here.bake(f"1.0.{number}"), range(6)))
        seconds = time.perf_counter() - began
    yield at_least("six bakes at once: distinct names", len({b["name"] for b in baked}), "names", 6)
    yield at_least("six bakes at once: images", len({b["ami_id"] for b in baked}), "images", 6)
    yield shown("six bakes at once", seconds, "s")


def provisioner_output() -> bytes:
    """Return a chunk of what apt-get prints through Packer, a secret now and then."""
    line = (
        b"1795219610,,ui,message,    amazon-ebs.app: Get:1 http://mirror.example/debian "
        b"bookworm/main amd64 libfoo amd64 1.2.3-4 [1%!(PACKER_COMMA)234 kB]\n"
    )
    secret = b"1795219610,,ui,message,    amazon-ebs.app: token is bench-secret-value-1\n"
    return (line * 400 + secret) * 2


def stream_figures() -> Iterator[Figure]:
    """Read a gigabyte of provisioner output with three secrets to mask, writing the log."""
    masker = Masker(["bench-secret-value-1", "another/secret+value==", "9f86d081884c7d659a2f"])
    output = provisioner_output()
    with tempfile.TemporaryFile("wb", buffering=0) as log:

        def write(data: bytes) -> None:
            log.write(data)
            if log.tell() > 64 * MEBIBYTE:  # the figure is the reader's, not the disk's size
                log.seek(0)

        reader = StreamReader(masker=masker, log=write, step=lambda _build, _text: None)
        reader.feed(output)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        fed, began = 0, time.perf_counter()
        while fed < GIGABYTE:
            for start in range(0, len(output), CHUNK):
                reader.feed(output[start : start + CHUNK])
            fed += len(output)
        seconds = time.perf_counter() - began
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    yield at_least("stream reader with masking", fed / 1e6 / seconds, "MB/s", 50)
    yield at_most("stream reader: memory over 1 GB", more, "MiB", 8)


PARTS: tuple[tuple[str, Callable[[], Iterator[Figure]]], ...] = (
    ("stream reader", stream_figures),
    ("--help", help_figures),
    ("unchanged bake", unchanged_figures),
    ("six bakes at once", six_at_once),
    ("a load balancer while Terraform applies", traffic_figures),
    ("bake as fast as the local cloud goes", lambda: compared(1000, 9, None)),
    ("bake at AWS's pace", lambda: compared(1, 2, 1.10)),
)


def main() -> None:
    """Measure everything, write the file, print the table."""
    figures: list[Figure] = []
    for name, part in PARTS:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        figures += part()
    path = REPOSITORY / "benchmarks/latest.json"
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        met = ("met" if figure.met else "MISSED") if figure.goal else ""
        value = f"{figure.value:10.3f} {figure.unit:<7}"
        print(f"{figure.name:<{width}}  {value} {figure.goal:<8} {met}".rstrip())


if __name__ == "__main__":
    main()
