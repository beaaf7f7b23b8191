"""Check the pairs of target groups: who sets their weights, and whether they are as recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pipeline.core import commands
from pipeline.core.health.observation import Observation
from pipeline.core.health.pairs import ALL, Pair, describe_weights
from pipeline.core.health.place import Place
from pipeline.core.preflight.finding import Finding

_RULE = ":listener-rule/"


def ignored_by_terraform(pair: Pair) -> str:
    """Return the lines for the Terraform that owns a listener, which must leave the weights alone.

    Each apply of it would otherwise move the traffic back (Terraform, "The lifecycle
    Meta-Argument"; provider aws, aws_lb_listener and aws_lb_listener_rule).
    """
    block = "action" if _RULE in pair.rule else "default_action"
    return f"lifecycle {{ ignore_changes = [{block}] }}"


def pair_findings(place: Place, serving: str, observation: Observation | None) -> Iterator[Finding]:
    """Yield what keeps pairs from being used: weights that another changed, or no forward action.

    A pair through which no release has served yet gets a notice about its owner.
    """
    for pair in place.pairs if observation else ():
        weights = observation.weights.get(pair.rule) if observation else None
        if weights is None:
            continue  # AWS did not answer: another finding says so.
        yield from _of(pair, weights, place, serving)


def _of(pair: Pair, weights: Mapping[str, int], place: Place, serving: str) -> Iterator[Finding]:
    where = f"{'rule' if _RULE in pair.rule else 'listener'} {pair.rule}"
    known = {each.identifier for each in pair.targets}
    if not weights.keys() & known:
        names = " and ".join(each.name for each in pair.targets)
        yield Finding(
            where=where,
            what=f"does not forward to {names}",
            remedy=f"let its action forward to both: {_set(pair, pair.live.identifier, place)}",
        )
        return
    if others := sorted(weights.keys() - known):
        yield Finding(
            where=where,
            what=f"also forwards to {', '.join(others)}: a pair has two target groups",
            remedy=f"remove it from the action: {_set(pair, pair.live.identifier, place)}",
        )
        return
    if pair.sticky:
        yield Finding(
            where=where,
            what="keeps each client with its target group (stickiness), whatever the weights are: "
            "such clients would be sent to a release that is retired",
            remedy="turn it off in the forward action: TargetGroupStickinessConfig Enabled=false",
        )
        return
    recorded = place.sides.get(serving, ())
    live = pair.target_of(recorded).identifier
    if serving and weights.get(live) != ALL:
        yield Finding(
            where=where,
            what=f"its weights changed since the last release: {describe_weights(weights)}; "
            f"{serving} had all traffic",
            remedy=f"set them back: {_set(pair, live, place)}; "
            f"and add to the Terraform that owns it: {ignored_by_terraform(pair)}",
        )
    elif not serving:
        yield Finding(
            where=where,
            what="ami-pipeline sets its weights from now on",
            remedy="add to the Terraform that owns it, if there is one: "
            f"{ignored_by_terraform(pair)}",
            blocking=False,
        )


def _set(pair: Pair, live: str, place: Place) -> str:
    """Return the command that gives one target group of a pair all traffic."""
    groups = [
        {"TargetGroupArn": each.identifier, "Weight": ALL if each.identifier == live else 0}
        for each in pair.targets
    ]
    actions = json.dumps([{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}])
    if _RULE in pair.rule:
        options = {"region": place.region, "rule-arn": pair.rule, "actions": actions}
        return commands.aws("elbv2", "modify-rule", options)
    options = {"region": place.region, "listener-arn": pair.rule, "default-actions": actions}
    return commands.aws("elbv2", "modify-listener", options)
