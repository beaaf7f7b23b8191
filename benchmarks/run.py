"""`make bench`: measure the figures that the product promises, side by side in one run.

Ratios come from pairs that take turns (A B A B ...), so that changes of the machine's speed do not
decide them. Values are medians. The command writes `benchmarks/latest.json`, part by part, and the
tables and pictures of the documents. This is not a test: a missed goal is shown as missed.

    python -m benchmarks.run [--smoke] [PART ...]      the parts of PARTS; default: all
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import summary
from benchmarks.decisions import decision_figures
from benchmarks.deployments import CAMPAIGN, SERIES, SMOKE, deployments
from benchmarks.figures import Figure, at_least, at_most, in_turn, shown, timed
from benchmarks.local_cloud import PROGRAM, REPOSITORY, bench, command
from benchmarks.page import table, updated
from benchmarks.pictures import draw
from benchmarks.starting import starting_figures
from benchmarks.traffic import traffic_figures
from pipeline.adapters.packer.stream import StreamReader
from pipeline.core.masking import Masker

HEAVY = ("boto3", "botocore", "pydantic", "rich", "moto", "aiohttp", "asyncssh")
GIGABYTE = 10**9
MEBIBYTE = 1 << 20
CHUNK = 1 << 16
SECRETS = ("bench-secret-value-1", "another/secret+value==", "9f86d081884c7d659a2f")


def help_figures() -> Iterator[Figure]:
    """Compare `--help` with an import of click alone."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    own, click = in_turn(
        21,
        command([PROGRAM, "--help"], env=env),
        command([sys.executable, "-c", "import click"], env=env),
    )
    yield at_most("--help over import click", own / click, "x", 1.15)
    probe = (
        "import sys; from pipeline.cli.main import run; run(['--help']); "
        f"print(sum(m in sys.modules for m in {HEAVY!r}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    yield at_most("heavy modules imported by --help", int(done.stderr), "modules", 0)


def compared(speed: float, pairs: int, goal: float | None) -> Iterator[Figure]:
    """Compare `bake` with the same `packer build` by hand at one speed of the local cloud."""
    with bench(speed) as cloud:
        source = str(cloud.bake("0.0.1")["source_ami"])
        own, packer = in_turn(
            pairs,
            lambda: cloud.bake("1.0.0", "--force"),
            lambda: cloud.packer(source),
            warm=speed > 1,
        )
    name = f"bake over packer build, delays 1/{speed:g} of AWS's"
    yield shown(f"{name}: by hand", packer, "s")
    yield at_most(name, own / packer, "x", goal) if goal else shown(name, own / packer, "x")
    yield shown(f"{name}: overhead", own - packer, "s")


def unchanged_figures() -> Iterator[Figure]:
    """Time an unchanged bake, and count its calls."""
    with bench(1000) as cloud:
        cloud.bake("1.0.0")
        cloud.bake("1.0.0")
        cloud.client.forget_calls()
        times = [timed(lambda: cloud.bake("1.0.0")) for _ in range(9)]
        calls = sum(call["calls"] for call in cloud.client.calls()) / len(times)
    yield at_most("unchanged bake", median(times), "s", 1.0)
    yield at_most("unchanged bake: AWS calls", calls, "calls", 5)


def six_at_once() -> Iterator[Figure]:
    """Bake six versions at the same time."""
    with bench(1000) as cloud:
        began = time.perf_counter()
        with ThreadPoolExecutor(6) as pool:
            baked = list(pool.map(lambda number: cloud.bake(f"1.0.{number}"), range(6)))
        seconds = time.perf_counter() - began
    yield at_least("six bakes at once: distinct names", len({b["name"] for b in baked}), "names", 6)
    yield at_least("six bakes at once: images", len({b["ami_id"] for b in baked}), "images", 6)
    yield shown("six bakes at once", seconds, "s")


def provisioner_output() -> bytes:
    """Return a chunk of apt-get's output through Packer, with some secrets."""
    line = (
        b"1795219610,,ui,message,    amazon-ebs.app: Get:1 http://mirror.example/debian "
        b"bookworm/main amd64 libfoo amd64 1.2.3-4 [1%!(PACKER_COMMA)234 kB]\n"
    )
    secret = b"1795219610,,ui,message,    amazon-ebs.app: token is bench-secret-value-1\n"
    return (line * 400 + secret) * 2


def stream_figures() -> Iterator[Figure]:
    """Read a gigabyte of provisioner output, mask three secrets, and write the log."""
    masker = Masker(SECRETS)
    output = provisioner_output()
    with tempfile.TemporaryFile("wb", buffering=0) as log:

        def write(data: bytes) -> None:
            log.write(data)
            if log.tell() > 64 * MEBIBYTE:  # the figure must not depend on the disk's size
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
    yield shown("stream reader with masking", fed / 1e6 / seconds, "MB/s")
    yield at_most("stream reader: memory over 1 GB", more, "MiB", 8)


def grep_figures() -> Iterator[Figure]:
    """Compare the stream reader with `grep -c` over the same file of a quarter of a gigabyte."""
    output = provisioner_output()
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(GIGABYTE // 4 // len(output)):
            file.write(output)
        file.flush()

        def read() -> None:
            masker = Masker(SECRETS)
            reader = StreamReader(
                masker=masker, log=lambda _: None, step=lambda _build, _text: None
            )
            with Path(file.name).open("rb", buffering=0) as stream:
                while chunk := stream.read(CHUNK):
                    reader.feed(chunk)

        own, grep = in_turn(5, read, command(["grep", "-c", "amazon-ebs.app", file.name]))
    yield at_most("stream reader with masking, over grep -c of the same file", own / grep, "x", 54)


def deployment_part() -> dict[str, Any]:
    """Compare deployments."""
    runs, errors = deployments(CAMPAIGN)
    return {"figures": summary.figures(runs), "runs": runs, "errors": errors}


PARTS: dict[str, Callable[[], Iterable[Figure] | dict[str, Any]]] = {
    "stream reader": lambda: [*stream_figures(), *grep_figures()],
    "--help": help_figures,
    "starting": starting_figures,
    "unchanged bake": unchanged_figures,
    "six bakes at once": six_at_once,
    "a load balancer while Terraform applies": traffic_figures,
    "bake as fast as the local cloud goes": lambda: compared(1000, 9, None),
    "bake at AWS's pace": lambda: compared(1, 2, 1.10),
    "decisions": decision_figures,
    "deployments": deployment_part,
}
LATEST = REPOSITORY / "benchmarks/latest.json"
PAGE = REPOSITORY / "docs/development/benchmarks.md"


def main(words: Sequence[str]) -> int:
    """Measure the requested parts, write the files, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(map(repr, PARTS)))
    parser.add_argument("--smoke", action="store_true", help="try the harness and write nothing")
    parser.add_argument("--render", action="store_true", help="only render the page again")
    given = parser.parse_args(words)
    if given.render:
        render(json.loads(LATEST.read_text()))
        return 0
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}; parts: {', '.join(PARTS)}")
    if given.smoke:
        return smoke()
    errors: list[str] = []
    for name in given.parts or PARTS:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        measured = PARTS[name]()
        found: dict[str, Any] = (
            measured if isinstance(measured, dict) else {"figures": list(measured)}
        )
        errors += found.pop("errors", [])
        keep(name, found)
        show(found["figures"])
    print("\n".join(errors), file=sys.stderr)
    return 1 if errors else 0


def smoke() -> int:
    """Deploy three members once with each contender without latencies, and decide a few times."""
    runs, errors = deployments(SMOKE, keep_series=False)
    show([*summary.figures(runs), *decision_figures(at_once=2, each=2)])
    print(table(runs))
    return 1 if errors else 0


def keep(name: str, found: dict[str, Any]) -> None:
    """Replace a part's earlier measurement in the file."""
    latest: dict[str, Any] = json.loads(LATEST.read_text())
    part = {"measured": time.strftime("%Y-%m-%d"), "machine": machine()}
    latest[name] = {**part, **found, "figures": [asdict(figure) for figure in found["figures"]]}
    ordered = {each: latest[each] for each in PARTS if each in latest}
    LATEST.write_text(written(ordered))
    render(ordered)


def render(latest: dict[str, Any]) -> None:
    """Write the measured values and the pictures into the page."""
    PAGE.write_text(updated(PAGE.read_text(), latest, draw(SERIES)))


def written(latest: dict[str, Any]) -> str:
    """Return the text of the file, with a line for each figure and run."""
    parts = []
    for name, part in latest.items():
        lines = []
        for key, value in part.items():
            text = json.dumps(value)
            if isinstance(value, list):
                text = "[\n      " + ",\n      ".join(map(json.dumps, value)) + "\n    ]"
            lines.append(f"    {json.dumps(key)}: {text}")
        parts.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n  }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def machine() -> str:
    """Return a description of this machine in one line."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    output = subprocess.run(["terraform", "version"], capture_output=True, text=True, check=True)
    packer = subprocess.run(["packer", "version"], capture_output=True, text=True, check=True)
    return (
        f"{os.cpu_count()} cores ({cpu[1].strip() if cpu else platform.machine()}), "
        f"{memory:.0f} GiB, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, {output.stdout.splitlines()[0]}, "
        f"{packer.stdout.splitlines()[0]}"
    )


def show(figures: Sequence[Figure]) -> None:
    """Print figures as a table."""
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        met = ("met" if figure.met else "MISSED") if figure.goal else ""
        value = f"{figure.value:10.3f} {figure.unit:<7}"
        print(f"{figure.name:<{width}}  {value} {figure.goal:<8} {met}".rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
