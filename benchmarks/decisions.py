"""Measure the time from the last healthy member to the decision of a promotion, including its tail.

Several environments promote at once, each with a small group that boots in a second, in real time
(speed 1, 80 ms per call). Members are registered at a random moment after the attachment, so that
the moment they become healthy is independent of the polling. The command line is the product's.
Terraform has no part in the decision, so the tests' stand-in takes its place.
"""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks import observed
from benchmarks.contenders import AmiPipeline
from benchmarks.deployments import create_network, progress
from benchmarks.figures import Figure, at_least, at_most, shown
from benchmarks.observed import Window, percentile
from benchmarks.service import Profile, Service
from tests.standin.install import installed

QUICK = Profile(
    name="quick",
    speed=1,
    delay=("pending=1", "boot=1", "shutting-down=1", "image=1", "balancer=0", "call=0.08"),
    boot=2,
    draining=1,
    patience=120,
    late=4,
)
AT_ONCE, EACH, MEMBERS = 6, 7, 2
SEED = 20


def decision_figures(at_once: int = AT_ONCE, each: int = EACH) -> list[Figure]:
    """Promote repeatedly in several environments."""
    with create_network(QUICK) as network:
        path = installed(network.cloud.folder / "stand-in", os.environ["PATH"])
        services = [
            Service.make(network, f"decides-{number}", MEMBERS, path=path)
            for number in range(at_once)
        ]
        with ThreadPoolExecutor(at_once) as pool:
            samples = list(pool.map(lambda service: decisions(service, each), services))
    seconds = [one for some in samples for one in some]
    return figures(seconds)


def figures(seconds: list[float]) -> list[Figure]:
    """Return the figures of the samples."""
    name = "last member healthy to decision"
    return [
        at_least(f"{name}: samples", len(seconds), "", 40),
        at_most(f"{name}: p50", percentile(seconds, 0.5), "s", 0.55),
        at_most(f"{name}: p95", percentile(seconds, 0.95), "s", 1.0),
        shown(f"{name}: longest", max(seconds), "s"),
    ]


def decisions(service: Service, each: int) -> list[float]:
    """Promote repeatedly to one service; return the seconds of each decision."""
    contender, chance = AmiPipeline(service=service), random.Random(f"{SEED} {service.name}")  # noqa: S311  no secret
    images, found = service.network.images, []
    if contender.release(images[0]).code:
        raise RuntimeError(output(service))
    for number in range(each):
        image, client = images[(number + 1) % 2], service.network.cloud.client
        late = chance.uniform(0, QUICK.late)
        client.set_behavior("registers-late", group=contender.next_group(image), seconds=late)
        result = contender.release(image)
        if result.code:
            raise RuntimeError(output(service))
        window = Window(
            key=service.name,
            pool=service.target_group,
            image=image,
            members=service.members,
            began=result.began,
            ended=result.ended,
            until=result.ended,
        )
        seconds = observed.decision(client.timeline()["events"], window)
        if seconds is not None:
            found.append(seconds)
            progress(f"{service.name}: decided after {seconds:.2f} s of {result.seconds:.0f} s")
        time.sleep(chance.random())
    return found


def output(service: Service) -> str:
    """Return the end of the last command's output."""
    return (service.folder / "last.log").read_text()[-2000:]


if __name__ == "__main__":
    for figure in decision_figures():
        print(figure)
