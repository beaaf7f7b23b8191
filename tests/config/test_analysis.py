from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from pipeline.config import load, schema
from pipeline.core.analysis.policy import Analysis, Threshold
from pipeline.core.errors import ConfigurationError
from tests.config.examples import MINIMAL

ENVIRONMENTS = '[environments.a]\ntarget_groups = ["a"]\n[environments.b]\ntarget_groups = ["b"]\n'
LISTENER = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener"
ID = "0123456789abcdef"


def write(folder: Path, toml: str, environments: str = ENVIRONMENTS) -> Path:
    file = folder / "pipeline.toml"
    file.write_text(f"{MINIMAL}{environments}{toml}\n")
    return file


def problem(folder: Path, toml: str, environments: str = ENVIRONMENTS) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(write(folder, toml, environments))
    return str(caught.value).removeprefix(f"{folder}/")


def test_an_analysis_needs_to_be_enabled_only(tmp_path: Path) -> None:
    settings = load(write(tmp_path, "[promote.analysis]\nslower = '20%'"))
    assert settings.promote_for("a").policy.analysis is None
    settings = load(write(tmp_path, "[environments.a.promote.analysis]\nenabled = true"))
    assert settings.promote_for("a").policy.analysis == Analysis()
    assert settings.promote_for("b").policy.analysis is None


def test_an_environment_overrides_the_analysis_key_by_key(tmp_path: Path) -> None:
    toml = (
        '[promote.analysis]\nenabled = true\ncompare = ["p99", "5xx"]\nmore_5xx = "0.5%"\n'
        'slower = "25%"\nmin_requests = 1000\nmin_minutes = 3\non_inconclusive = "wait"\n'
        '[[promote.analysis.metrics]]\nnamespace = "AWS/EC2"\nmetric = "CPUUtilization"\n'
        'dimensions = { AutoScalingGroupName = "{group}" }\nstatistic = "p90"\nabove = 80\n'
        "minutes = 2\n"
        '[environments.b.promote.analysis]\non_inconclusive = "fail"\nmetrics = []\n'
    )
    settings = load(write(tmp_path, toml))
    common = {"compare": ("5xx", "p99"), "more_failures": 0.005, "slower": 0.25}
    common |= {"requests": 1000, "minutes": 3}
    metric = Threshold(
        namespace="AWS/EC2",
        metric="CPUUtilization",
        dimensions=(("AutoScalingGroupName", "{group}"),),
        statistic="p90",
        above=80,
        minutes=2,
    )
    assert settings.promote_for("a").policy.analysis == Analysis(
        **common,  # type: ignore[arg-type]
        inconclusive="wait",
        metrics=(metric,),
    )
    assert settings.promote_for("b").policy.analysis == Analysis(
        **common,  # type: ignore[arg-type]
        inconclusive="fail",
    )


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ('slower = "0%"', "'0%' is not allowed: write a share of more than 0 and at most 100"),
        ("more_5xx = 1", "'1' is not allowed: write a share of more than 0 and at most 100"),
        ('compare = ["p95"]', "compare"),
        ('on_inconclusive = "ask"', "on_inconclusive"),
        ("min_minutes = 0", "min_minutes"),
        ('metrics = [{ namespace = "a b", metric = "m" }]', "a namespace has 1 to 255 characters"),
        ('metrics = [{ namespace = "a", metric = "m", statistic = "avg" }]', "write Sum, Average"),
        ('metrics = [{ namespace = "a", metric = "m", above = nan }]', "above"),
    ],
)
def test_a_mistake_is_reported(tmp_path: Path, toml: str, text: str) -> None:
    for table in ("promote", "environments.a.promote"):
        assert text in problem(tmp_path, f"[{table}.analysis]\n{toml}")


def test_a_service_without_load_balancers_has_nothing_to_compare(tmp_path: Path) -> None:
    toml = "[promote.analysis]\nenabled = true\n[environments.worker]"
    assert problem(tmp_path, toml) == (
        "pipeline.toml line 9, promote.analysis:\n"
        "  [environments.worker] has no load balancer, so there is no 5xx and no latency to "
        "compare\n"
        "next: in [environments.worker.promote.analysis], set compare = [] to judge only its "
        "metrics, or enabled = false"
    )
    off = "[environments.worker.promote.analysis]\nenabled = false"
    assert load(write(tmp_path, f"{toml}\n{off}")).promote_for("worker").policy.analysis is None
    only = "[environments.worker.promote.analysis]\ncompare = []\nmetrics = [{ namespace = 'Q', "
    only += "metric = 'Age', above = 60 }]"
    assert load(write(tmp_path, f"{toml}\n{only}")).promote_for("worker").policy.analysis


def test_a_network_load_balancer_has_nothing_to_compare(tmp_path: Path) -> None:
    pair = (
        f'[[environments.a.pairs]]\nlistener = "{LISTENER}/net/web/{ID}/{ID}"\n'
        'target_groups = ["x", "y"]\n[environments.a.promote]\nstrategy = "flip"\n'
    )
    toml = "[environments.a.promote.analysis]\nenabled = true"
    text = problem(tmp_path, toml, pair)
    assert "is behind a network load balancer, which measures no 5xx and no latency" in text
    load(write(tmp_path, toml, pair.replace("/net/", "/app/")))


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ("compare = []", "is empty, and there are no metrics to judge"),
        ("metrics = [{ namespace = 'Q', metric = 'Age' }]", "has no limit"),
        (
            "min_minutes = 14",
            "14 complete minutes take up to 17m, and the time limit of soak is 15m 30s",
        ),
    ],
)
def test_settings_that_cannot_have_an_effect_are_refused(
    tmp_path: Path, toml: str, text: str
) -> None:
    assert text in problem(tmp_path, f"[promote.analysis]\nenabled = true\n{toml}")


def test_an_analysis_without_a_phase_is_refused(tmp_path: Path) -> None:
    toml = '[promote]\nsoak = "0s"\nobserve = "0s"\n[promote.analysis]\nenabled = true'
    assert "has no effect: soak and observe are 0s" in problem(tmp_path, toml)


def test_the_schema_accepts_an_analysis() -> None:
    analysis = {"enabled": True, "slower": "5%", "compare": ["p50"], "on_inconclusive": "wait"}
    document = {
        "app": "web",
        "region": "us-east-1",
        "bake": {"template": "a.pkr.hcl", "source": {"id": "ami-0123456789abcdef0"}},
        "promote": {"analysis": analysis},
    }
    jsonschema.validate(document, schema())
