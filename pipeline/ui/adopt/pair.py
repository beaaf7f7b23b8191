"""Render the plan of a pair, and what was set up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pipeline.core import commands
from pipeline.core.adoption.pair_model import PairPlan, PairSetup, tags_of_second
from pipeline.core.health.pairs import ALL
from pipeline.ui.text import one_line

NOTHING = "Nothing was changed."
DELAY = "deregistration_delay.timeout_seconds"


def plan_text(setup: PairSetup, file: str) -> str:
    """Return what `--pair` does, for a person who decides; `file` is pipeline.toml's name."""
    if setup.known:
        return known_text(setup)
    return "\n".join(_lines(setup, file))


def known_text(setup: PairSetup) -> str:
    """Return that the environment has pairs."""
    return f"nothing to do: {setup.environment} has pairs in pipeline.toml"


def _lines(setup: PairSetup, file: str) -> Iterator[str]:
    yield f"A pair for {setup.environment}:"
    for each in setup.plans:
        yield ""
        yield from _steps(each)
    yield f"  {_file_step(setup, file)}"
    yield ""
    kept = " and ".join(one_line(each.first.name) for each in setup.plans)
    yield f"{kept} {'keeps' if len(setup.plans) == 1 else 'keep'} all traffic."
    yield ""
    yield "If Terraform owns the listener, first add this there, or its next apply undoes the pair:"
    for each in setup.plans:
        yield f"  {ignored(each)}"
    yield ""


def _steps(plan: PairPlan) -> Iterator[str]:
    if plan.creates:
        tags = len(tags_of_second(plan.first, plan.name))
        also = f", and its {tags} tag{'' if tags == 1 else 's'}" if tags else ""
        yield _line(1, f"create the target group {plan.name}, as {plan.first.name} is:")
        yield _line(2, f"{_settings(plan)}{also}")
    elif plan.attributes:
        yield _line(1, f"set {', '.join(sorted(plan.attributes))} of {plan.name}")
    if plan.forwards:
        yield _line(1, f"change the {plan.route.words}:")
        yield _line(2, f"forward {ALL} % to {plan.first.name} and 0 % to {plan.name}")
    if plan.test_port:
        protocol = plan.route.listener.get("Protocol", "")
        yield _line(1, f"create the test listener {protocol}:{plan.test_port}:")
        yield _line(2, f"forward {ALL} % to {plan.name}")
    if plan.is_done:
        yield _line(1, f"{plan.first.name} and {plan.name} are a pair already, at")
        yield _line(2, plan.route.words)


def _line(depth: int, text: str) -> str:
    return "  " * depth + one_line(text)


def _settings(plan: PairPlan) -> str:
    """Return the settings of the first target group in a line."""
    of = plan.first.described
    check = f"{of.get('HealthCheckProtocol', '')} {of.get('HealthCheckPath', '')}".strip()
    parts = [
        f"{of.get('Protocol')}:{of.get('Port')} in {of.get('VpcId')}",
        f"health check {check} every {of.get('HealthCheckIntervalSeconds')} s",
        f"deregistration delay {plan.first.attributes.get(DELAY, '300')} s",
    ]
    return ", ".join(parts)


def _file_step(setup: PairSetup, file: str) -> str:
    if setup.by_hand:
        return one_line(f"leave {file} to you: {setup.by_hand}")
    return f'change {file}: pairs in place of target_groups, strategy = "flip"'


def ignored(plan: PairPlan) -> str:
    """Return the line for the Terraform that owns the listener or the rule."""
    kind, block = ("", "default_action") if not plan.route.is_rule else ("_rule", "action")
    return f"aws_lb_listener{kind}: lifecycle {{ ignore_changes = [{block}] }}"


def done_text(setup: PairSetup, file: str) -> str:
    """Return what was set up, and what follows."""
    if setup.known:
        return known_text(setup)
    rows = [("pair", f"{p.first.name} ({ALL} %), {p.name} (0 %)") for p in setup.plans]
    rows += [("test", p.test) for p in setup.plans if p.test]
    rows += [("policy", commands.permissions("deploy", setup.environment))]
    rows += [("next", commands.of_environment("promote", setup.environment, "--plan"))]
    lines = [f"{setup.environment} has a pair", ""]
    lines += [one_line(f"{name:<11}{text}") for name, text in rows]
    if setup.by_hand:
        lines += _by_hand(setup, file)
    for each in setup.plans:
        lines += _afterwards(each, setup, file) if each.made else []
    return "\n".join(lines)


def _by_hand(setup: PairSetup, file: str) -> Iterator[str]:
    table = f"[environments.{setup.environment}]"
    yield ""
    yield f"Change {file} yourself: remove target_groups of {table}, set"
    yield 'strategy = "flip" in its table promote, and add:'
    yield ""
    yield setup.toml.rstrip()


def _afterwards(plan: PairPlan, setup: PairSetup, file: str) -> Iterator[str]:
    """Yield how Terraform takes the second target group over, and how the pair is removed."""
    assert plan.second is not None  # noqa: S101 - the pair is set up
    name = one_line(plan.name)
    yield ""
    yield f"For Terraform to manage {name}, with `terraform plan -generate-config-out=FILE`:"
    yield "  import {"
    yield f"    to = aws_lb_target_group.{name.replace('-', '_')}"
    yield f'    id = "{plan.second.arn}"'
    yield "  }"
    yield ""
    yield f"To remove the pair before a release uses {name}: in {file}, name"
    yield f"{one_line(plan.first.name)} in target_groups of {setup.environment} again, then:"
    yield from (f"  {command}" for command in undo_commands(plan))


def undo_commands(plan: PairPlan) -> Iterator[str]:
    """Yield the commands that remove the pair again while no release uses the second group."""
    assert plan.second is not None  # noqa: S101 - the pair is set up
    name = "default-actions" if not plan.route.is_rule else "actions"
    target = "listener-arn" if not plan.route.is_rule else "rule-arn"
    verb = "modify-listener" if not plan.route.is_rule else "modify-rule"
    options = {"region": plan.region, target: plan.route.arn, name: json.dumps([*plan.route.alone])}
    yield commands.aws("elbv2", verb, options)
    if plan.test:
        yield commands.aws(
            "elbv2", "delete-listener", {"region": plan.region, "listener-arn": plan.test}
        )
    group = {"region": plan.region, "target-group-arn": plan.second.arn}
    yield commands.aws("elbv2", "delete-target-group", group)


def document(setup: PairSetup, *, planned: bool) -> dict[str, Any]:
    """Return the plan or the result for a program."""
    outcome = "unchanged" if setup.known else "planned" if planned else "paired"
    return {
        "outcome": outcome,
        "environment": setup.environment,
        "pairs": [_pair(each) for each in setup.plans],
        "by_hand": setup.by_hand or None,
        "configuration": None if setup.known else setup.toml,
    }


def _pair(plan: PairPlan) -> dict[str, Any]:
    return {
        "target_groups": [plan.first.name, plan.name],
        plan.route.key: plan.route.arn,
        "test_listener": plan.test or None,
        "creates_target_group": plan.creates,
        "changes_forward_action": plan.forwards,
        "creates_test_listener_at": plan.test_port or None,
        "terraform": ignored(plan),
    }
