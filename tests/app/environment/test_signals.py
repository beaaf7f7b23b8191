"""Which load balancers an analysis compares."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.app.environment.signals import entries_of, require_metrics
from pipeline.core.analysis.entry import APPLICATION, Source
from pipeline.core.analysis.policy import Analysis, Threshold
from pipeline.core.health.observation import Balancer
from pipeline.core.health.pairs import Pair
from pipeline.core.health.place import Place
from pipeline.core.state.environment import Environment
from tests.ui.status_examples import record

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARED, FIRST, SECOND = (
    Balancer(kind="elbv2", identifier=f"arn:{name}", name=name) for name in ("web", "a", "b")
)
PAIR = Pair(rule="arn:rule", targets=(FIRST, SECOND), live=FIRST)
BLUE = "r000123"


def source(balancer: Balancer) -> Source:
    return Source(namespace=APPLICATION, dimensions=(("TargetGroup", balancer.name),))


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Any:
    def sources(_clients: Any, _region: str, balancers: Sequence[Balancer]) -> dict[str, Source]:
        return {each.identifier: source(each) for each in balancers}

    monkeypatch.setattr("pipeline.adapters.aws.metrics.sources", sources)
    place = Place(
        app="web", environment="staging", region="r", account="", balancers=(SHARED,), pairs=(PAIR,)
    )
    read: list[Any] = []
    metrics = SimpleNamespace(
        minute=lambda **_: 100, read=lambda queries, *window: read.append((queries, window))
    )
    return SimpleNamespace(
        place=lambda *_: place,
        found_balancers=((SHARED,), ()),
        clients=None,
        app=SimpleNamespace(settings=SimpleNamespace(region="r")),
        metrics=metrics,
        read=read,
    )


def document(*target_groups: str) -> Environment:
    blue = replace(record(123), target_groups=target_groups)
    return Environment(
        app="web",
        environment="staging",
        account="",
        region="r",
        serving=BLUE,
        releases={BLUE: blue},
    )


@pytest.mark.parametrize(
    ("recorded", "greens", "green", "blue"),
    [
        ((), (), SECOND, FIRST),
        ((SECOND.identifier,), (), FIRST, SECOND),
        ((), (FIRST.identifier,), FIRST, SECOND),
    ],
)
def test_green_of_a_pair_is_in_the_target_group_that_blue_does_not_use(
    reader: Any, recorded: tuple[str, ...], greens: tuple[str, ...], green: Any, blue: Any
) -> None:
    shared, pair = entries_of(reader, Analysis(), document(*recorded), blue=BLUE, greens=greens)
    assert (shared.is_pair, shared.green, shared.blue) == (False, source(SHARED), source(SHARED))
    assert (pair.is_pair, pair.green, pair.blue) == (True, source(green), source(blue))
    assert pair.name == green.name


def test_without_a_comparison_or_a_serving_release_no_load_balancer_is_described(
    reader: Any,
) -> None:
    reader.found_balancers = ()
    assert entries_of(reader, Analysis(compare=()), document(), blue=BLUE) == ()
    assert entries_of(reader, Analysis(), document(), blue="") == ()


def test_preflight_reads_every_metric_once(reader: Any) -> None:
    limit = Threshold(namespace="Shop", metric="Age", statistic="Maximum", above=1)
    require_metrics(reader, Analysis(metrics=(limit,)), document(), "r000124")
    [(queries, window)] = reader.read
    assert window == (99, 100)
    assert queries[0].metric == "Age"
    assert len(queries) == 1 + len(source(SHARED).queries) + len(source(FIRST).queries)
