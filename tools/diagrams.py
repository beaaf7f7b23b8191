"""Draw the two pictures of docs/development/architecture.md: `make docs`.

Boxes and arrows at fixed places, in the style of the other pictures. A test draws them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs/pictures"
TEMPLATE = ROOT / "tools/diagram.svg.j2"
LINE = 16
"""Pixels from one line of text to the next."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with a title and lines of text; `kind` is its CSS class."""

    x: int
    y: int
    width: int
    height: int
    title: str
    lines: tuple[str, ...] = ()
    kind: str = "plain"


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line with a head at its last point, and words beside it; `anchor` is where they end."""

    points: tuple[tuple[int, int], ...]
    words: tuple[str, ...] = ()
    at: tuple[int, int] = (0, 0)
    anchor: str = "middle"

    @property
    def path(self) -> str:
        """The line in SVG's words."""
        return "M" + " L".join(f"{x},{y}" for x, y in self.points)


@dataclass(frozen=True, slots=True)
class Diagram:
    """A picture: its title, its size and what is on it."""

    title: str
    width: int
    height: int
    boxes: Sequence[Box]
    arrows: Sequence[Arrow]


# fmt: off
PACKAGES = Diagram(
    "Packages: an import points down or to the right, never up", 960, 600,
    boxes=(
        Box(20, 50, 620, 66, "pipeline/cli", ("one module for each command: options, prompts, exit codes",), "entry"),
        Box(20, 146, 300, 84, "pipeline/app", ("one module for each command; session.py", "wires the adapters to the core"), "entry"),
        Box(340, 146, 300, 84, "pipeline/ui", ("text, live display, JSON", "draws what the core reports"), "entry"),
        Box(20, 260, 460, 84, "pipeline/adapters", ("aws   packer   terraform   store   lease", "process   files   ci"), "adapter"),
        Box(500, 260, 140, 84, "pipeline/config", ("pipeline.toml",), "adapter"),
        Box(20, 374, 620, 206, "pipeline/core: standard library only", (), "core"),
        Box(36, 408, 236, 64, "deploy", ("phases, gates, observer,", "reconciler, deployer, recovery"), "inner"),
        Box(296, 408, 148, 28, "preflight", (), "inner"),
        Box(296, 444, 148, 28, "terraform", (), "inner"),
        Box(468, 408, 156, 64, "bake", ("bakery, verification",), "inner"),
        Box(36, 496, 164, 68, "state", ("environment document,", "deployment, journal"), "inner"),
        Box(224, 496, 172, 68, "health", ("observation, assessment,", "unrecoverable"), "inner"),
        Box(420, 496, 204, 68, "validation, errors, image", ("commands, events, masking",), "inner"),
        Box(700, 50, 240, 530, "local_cloud", (), "cloud"),
        Box(716, 92, 208, 64, "api", ("moto's server, faults,", "counts of calls"), "inner"),
        Box(716, 172, 208, 64, "patches", ("what moto leaves out of", "EC2, Auto Scaling, ELB, S3"), "inner"),
        Box(716, 252, 208, 64, "scaling", ("groups, lifecycle,", "scaling activities"), "inner"),
        Box(716, 332, 208, 64, "instances", ("directories and processes,", "SSH, metadata"), "inner"),
        Box(716, 412, 208, 64, "balancers", ("load balancers as AWS's", "APIs describe them"), "inner"),
        Box(716, 492, 208, 64, "traffic", ("listeners, health checks,", "draining"), "inner"),
    ),
    arrows=(
        Arrow(((170, 116), (170, 144))), Arrow(((490, 116), (490, 144))),
        Arrow(((170, 230), (170, 258))), Arrow(((310, 230), (310, 244), (570, 244), (570, 258))),
        Arrow(((250, 344), (250, 372))), Arrow(((570, 344), (570, 372))),
        Arrow(((630, 230), (630, 244), (660, 244), (660, 400), (642, 400))),
        Arrow(((640, 83), (698, 83)), ("starts",), (669, 76)),
        Arrow(((272, 422), (294, 422))), Arrow(((272, 458), (294, 458))),
        Arrow(((80, 472), (80, 494))), Arrow(((200, 530), (222, 530))),
        Arrow(((396, 530), (418, 530))), Arrow(((546, 472), (546, 494))),
        Arrow(((370, 472), (370, 483), (140, 483), (140, 494))),
    ),
)

DATA_FLOW = Diagram(
    "A deployment: read, judge, act, until the gate of the phase answers", 960, 560,
    boxes=(
        Box(20, 60, 170, 66, "pipeline.toml", ("environment, policy",), "plain"),
        Box(20, 176, 170, 66, "command line", ("promote, rollback, ...",), "plain"),
        Box(250, 106, 180, 84, "app/session", ("takes the lease,", "wires the adapters"), "entry"),
        Box(250, 250, 180, 84, "core/deploy/deployer", ("one phase of the table", "after the other"), "core"),
        Box(510, 60, 190, 84, "core/deploy/observer", ("one observation a second", "at most"), "core"),
        Box(510, 200, 190, 84, "core/deploy/gates", ("Healthy, Progressing(why)", "or Failed(why)"), "core"),
        Box(510, 340, 190, 84, "core/deploy/reconciler", ("launch, attach, detach,", "resize, delete"), "core"),
        Box(770, 60, 170, 84, "AWS: reads", ("groups, activities,", "target health, alarms"), "aws"),
        Box(770, 300, 170, 66, "AWS: writes", ("traffic sources, sizes",), "aws"),
        Box(770, 404, 170, 84, "Terraform", ("guarded plan, apply of", "that saved plan"), "aws"),
        Box(20, 404, 170, 124, "store", ("environment document", "with the lease;", "journal: intent, result;", "evidence"), "adapter"),
        Box(250, 444, 180, 84, "ui", ("events, outcome,", "remedies to paste"), "entry"),
    ),
    arrows=(
        Arrow(((190, 93), (220, 93), (220, 136), (248, 136))),
        Arrow(((190, 209), (220, 209), (220, 160), (248, 160))),
        Arrow(((340, 190), (340, 248)), ("policy, fleet",), (348, 224), "start"),
        Arrow(((768, 102), (702, 102)), (), (0, 0)),
        Arrow(((605, 144), (605, 198)), ("observation",), (613, 176), "start"),
        Arrow(((508, 242), (470, 242), (470, 276), (432, 276)), ("verdict",), (464, 248), "end"),
        Arrow(((432, 308), (470, 308), (470, 370), (508, 370)), ("fleet wanted",), (478, 328), "start"),
        Arrow(((702, 362), (736, 362), (736, 333), (768, 333))),
        Arrow(((702, 400), (736, 400), (736, 446), (768, 446))),
        Arrow(((270, 334), (270, 380), (105, 380), (105, 402)), ("intent before, result after",), (188, 372)),
        Arrow(((340, 334), (340, 442)), ("events",), (348, 400), "start"),
        Arrow(((855, 298), (855, 146)), ("seen in the next", "observation"), (847, 220), "end"),
    ),
)
# fmt: on

DRAWN = {"packages.svg": PACKAGES, "data-flow.svg": DATA_FLOW}


def svg(diagram: Diagram) -> str:
    """Return a diagram as SVG."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text())
    return template.render(diagram=diagram, line=LINE) + "\n"


def main() -> None:
    """Draw both."""
    for name, diagram in DRAWN.items():
        (PICTURES / name).write_text(svg(diagram))
        print(PICTURES / name)


if __name__ == "__main__":
    main()
