"""Strategies, steps and pairs that contradict each other are refused with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.core.errors import ConfigurationError
from pipeline.core.state.strategy import Batches, Step, Strategy
from tests.config.examples import MINIMAL

ELB = "arn:aws:elasticloadbalancing:us-east-1:123456789012"
LISTENER = f"{ELB}:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2"
PAIR = f'[[environments.a.pairs]]\nlistener = "{LISTENER}"\ntarget_groups = ["web-a", "web-b"]\n'
GROUP = '[environments.a]\ntarget_groups = ["web"]\n'


def written(folder: Path, toml: str) -> Path:
    file = folder / "pipeline.toml"
    file.write_text(f"{MINIMAL}{toml}\n")
    return file


def promote(toml: str) -> str:
    return f"[environments.a.promote]\n{toml}\n"


def test_a_canary_by_weight_is_read_with_its_pair(tmp_path: Path) -> None:
    steps = 'strategy = "canary"\nsteps = [{ weight = 5, for = "5m" }, { weight = 25, for = "1h" }]'
    settings = load(written(tmp_path, PAIR + promote(steps)))
    policy = settings.promote_for("a").policy
    assert policy.strategy is Strategy.CANARY
    assert policy.steps == (Step(seconds=300, weight=5), Step(seconds=3600, weight=25))
    [pair] = settings.environment("a").pairs
    assert (pair.listener, pair.target_groups) == (LISTENER, ("web-a", "web-b"))


def test_a_canary_by_members_and_batches_need_no_pair(tmp_path: Path) -> None:
    steps = '[{ members = 1, for = "1m" }, { members = "50%", for = "0s" }]'
    steps = f'strategy = "canary"\nsteps = {steps}'
    policy = load(written(tmp_path, GROUP + promote(steps))).promote_for("a").policy
    assert policy.steps == (Step(seconds=60, members=1), Step(seconds=0, percent=50))
    batches = promote('strategy = "batches"\nmin_healthy = 75')
    policy = load(written(tmp_path, GROUP + batches)).promote_for("a").policy
    assert policy.batches == Batches(min_healthy=75)


WEIGHT, MEMBER = '{ weight = 5, for = "1m" }', '{ members = 1, for = "1m" }'


@pytest.mark.parametrize(
    ("toml", "what"),
    [
        (GROUP + promote('strategy = "flip"'), 'strategy = "flip" needs pairs'),
        (
            GROUP + promote(f'strategy = "canary"\nsteps = [{WEIGHT}]'),
            'strategy = "canary" by weight needs pairs',
        ),
        (PAIR, 'pairs move traffic by weights, but strategy = "overlap" does not'),
        (
            GROUP + PAIR + promote('strategy = "flip"'),
            'strategy = "flip" moves only the traffic of pairs, but target_groups names others',
        ),
        (
            "[environments.a]\n" + promote('strategy = "batches"'),
            'strategy = "batches" needs load balancers: this is a worker',
        ),
        (GROUP + promote('strategy = "canary"'), "is empty, but the strategy is canary"),
        (GROUP + promote(f"steps = [{MEMBER}]"), "has no effect: the strategy is overlap"),
        (
            GROUP + promote('strategy = "canary"\nsteps = [{ for = "1m" }]'),
            "needs either weight or members",
        ),
        (
            PAIR + promote(f'strategy = "canary"\nsteps = [{WEIGHT}, {MEMBER}]'),
            "mixes weight and members",
        ),
        (
            PAIR + promote(f'strategy = "canary"\nsteps = [{WEIGHT}, {WEIGHT}]'),
            "has a weight that is not more than the one before",
        ),
        (
            PAIR.replace("web-b", "web-a") + promote('strategy = "flip"'),
            "names one target group twice",
        ),
        (
            PAIR.replace(f'listener = "{LISTENER}"\n', "") + promote('strategy = "flip"'),
            "names no listener and no rule",
        ),
        (
            PAIR.replace("listener/app", "listener/gwy") + promote('strategy = "flip"'),
            "write the ARN of a listener",
        ),
        (
            GROUP + promote('strategy = "canary"\nsteps = [{ members = "100%", for = "1m" }]'),
            "write a number of instances, or a share",
        ),
    ],
)
def test_what_contradicts_is_refused(toml: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(written(tmp_path, toml))
    assert what in raised.value.what
