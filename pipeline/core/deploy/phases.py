"""The whole deployment on one screen: each phase's fleet, its gate, and what a failure means.

The deployer performs these tables, `--plan` prints them, and the tests sweep them. Nothing else
decides which phase comes next; `ways_back` has the tables of what may follow a failure. Rows are
built by position, so that each fits on one line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pipeline.core.deploy.gates.all_healthy import AllHealthy
from pipeline.core.deploy.gates.all_in_service import AllInService
from pipeline.core.deploy.gates.batch import Batch
from pipeline.core.deploy.gates.deleted import Deleted
from pipeline.core.deploy.gates.drained import Drained, InFlightEnded, Stopped
from pipeline.core.deploy.gates.stays_healthy import StaysHealthy
from pipeline.core.deploy.gates.verified import Verified
from pipeline.core.deploy.phase import ALL, ENTRIES, Fleet, Manner, Phase
from pipeline.core.state.strategy import BATCH, STEP
from pipeline.core.validation.phases import (
    ALONE,
    CREATES,
    DELETES,
    DETACHED,
    DRAINS,
    HOLD,
    ROLL_BACK,
)


def promotion(
    blue: str, green: str, *, warm: Iterable[str] = (), keep: bool = False, how: Manner = ENTRIES
) -> list[Phase]:
    """Return the phases that put `green` into service in place of `blue` (empty: of nothing).

    `warm` are detached groups of earlier deployments. They stay until green is in service: a
    rollback of blue would need them. `keep` leaves blue warm for a rollback of green.
    """
    blues, spare = frozenset({blue} - {""}), frozenset(warm)
    beside = Fleet(serving=blues, detached=spare | {green})
    both, none = beside.serve(green), Fleet(detached=beside.all)
    over = Fleet(serving=frozenset({green}), detached=spare | blues)
    stays = (blues if keep else frozenset()) | (over.detached & how.adopted)
    end = Fleet(serving=frozenset({green}), detached=stays)
    if how.worker:
        table = _of_workers(blue, green, both if how.overlap else over, over, end, none, how)
    elif how.pairs:
        table = _by_weight(blue, green, beside, both, end, how)
    else:
        table = _by_attachment(blue, green, beside, both, over, end, how)
    return [phase for phase in table if blue or not phase.has(ALONE)]


# fmt: off
def _by_attachment(
    blue: str, green: str, beside: Fleet, both: Fleet, over: Fleet, end: Fleet, how: Manner
) -> list[Phase]:
    """Return the phases of `overlap`, a canary by members, `batches`: `both` answer for a time."""
    steps = how.steps if blue else ()
    batches = how.batches if blue else None
    first = steps[0] if steps else batches.green(1) if batches else None
    later = range(2, batches.count + 1) if batches else ()
    return [
        Phase("launch",  beside, AllInService(green),               ROLL_BACK | CREATES | DETACHED),
        Phase("verify",  beside, Verified(green),                   ROLL_BACK | DETACHED),
        Phase("attach",  both,   AllHealthy(green, blue, first),    ROLL_BACK),
        *(Phase(f"{STEP}{n}", both, StaysHealthy(green, f"{STEP}{n}", blue, each), ROLL_BACK)
          for n, each in enumerate(steps, 1)),
        *(Phase(f"{BATCH}{n}", both, Batch(green, blue, n, batches), ROLL_BACK)
          for n in later if batches),
        Phase("soak",    both,   StaysHealthy(green, "soak", blue), ROLL_BACK),
        Phase("drain",   over,   Drained(blue),                     ROLL_BACK | ALONE | DRAINS),
        Phase("observe", over,   StaysHealthy(green, "observe"),    ROLL_BACK | ALONE),
        Phase("retire",  end,    Deleted(over.all - end.all),       HOLD | DELETES),
    ]


def _by_weight(
    blue: str, green: str, beside: Fleet, both: Fleet, end: Fleet, how: Manner
) -> list[Phase]:
    """Return the phases of `flip`, and of a canary by weight: weights move the traffic."""
    steps = how.steps if blue else ()
    idle, over = both.share(green, 0, blue), both.share(green, ALL, blue)
    idle = replace(idle, tested=green)
    return [
        Phase("launch",  beside, AllInService(green),               ROLL_BACK | CREATES | DETACHED),
        Phase("attach",  idle,   AllHealthy(green, blue),           ROLL_BACK),
        Phase("verify",  idle,   Verified(green),                   ROLL_BACK | DETACHED),
        *(Phase(f"{STEP}{n}", both.share(green, each.weight, blue),
                StaysHealthy(green, f"{STEP}{n}", blue), ROLL_BACK)
          for n, each in enumerate(steps, 1)),
        Phase("shift",   over,   StaysHealthy(green, "shift", blue), ROLL_BACK),
        Phase("drain",   over,   InFlightEnded(blue),               ROLL_BACK | ALONE | DRAINS),
        Phase("observe", over,   StaysHealthy(green, "observe"),    ROLL_BACK | ALONE),
        Phase("retire",  end.share(green, ALL, ""), Deleted(both.all - end.all), HOLD | DELETES),
    ]


def _of_workers(
    blue: str, green: str, beside: Fleet, over: Fleet, end: Fleet, none: Fleet, how: Manner
) -> list[Phase]:
    """Return the phases of a service without load balancers: a group serves while it runs.

    Without `overlap`, blue stops before green starts, and no release serves until green runs.
    """
    least = blue if how.overlap else ""
    table = [
        Phase("drain",   none,   Stopped(blue),                     ROLL_BACK | ALONE | DRAINS),
        Phase("launch",  beside, AllHealthy(green, least),          ROLL_BACK | CREATES | DETACHED),
        Phase("verify",  beside, Verified(green),                   ROLL_BACK | DETACHED),
        Phase("soak",    beside, StaysHealthy(green, "soak", blue), ROLL_BACK),
        Phase("drain",   over,   Stopped(blue),                     ROLL_BACK | ALONE | DRAINS),
        Phase("observe", over,   StaysHealthy(green, "observe"),    ROLL_BACK | ALONE),
        Phase("retire",  end,    Deleted(over.all - end.all),       HOLD | DELETES),
    ]
    return table[1:] if how.overlap else [*table[:3], *table[5:]]
# fmt: on
