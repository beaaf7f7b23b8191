"""Read the rules of ELBv2 listeners, their conditions and actions, into the types of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_cloud.traffic.plan import Action, Answer, Condition, Forward, Redirect, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Where ELBv2 puts a condition's values, unless they stand in `Values` (data type RuleCondition).
CONFIGS = {
    "host-header": "HostHeaderConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "path-pattern": "PathPatternConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
CARRIED = {"forward", "fixed-response", "redirect"}
STICKY_FOR = 3600.0  # for a sticky action without a duration, which ELBv2 refuses


def rules(listener: Any) -> tuple[Rule, ...]:
    """Return the rules of a listener by priority, without the default rule."""
    found = (rule for rule in listener.rules.values() if not rule.is_default)
    return tuple(
        Rule(
            conditions=tuple(condition(each) for each in rule.conditions),
            action=action(rule.actions),
        )
        for rule in sorted(found, key=lambda rule: int(rule.priority))
    )


def condition(given: dict[str, Any]) -> Condition:
    """Return a condition, from either of its two forms."""
    field = given["Field"]
    config = given.get(CONFIGS[field]) or {}
    values = config.get("Values") or given.get("Values") or []
    return Condition(
        field=field,
        values=tuple(pair(value) for value in values),
        name=config.get("HttpHeaderName", ""),
    )


def pair(value: Any) -> str:
    """Return a value as text; a query string's value may have a key."""
    if isinstance(value, str):
        return value
    return f"{value['Key']}={value['Value']}" if value.get("Key") else str(value["Value"])


def action(given: Iterable[Any]) -> Action:
    """Return the effective action of a rule; authentication actions are answered with 500."""
    ordered = sorted((each.data for each in given), key=lambda data: int(data.get("Order") or 0))
    for data in ordered:
        if data["Type"] not in CARRIED:
            return Answer(
                status=500, body=f"the local cloud does not support the action {data['Type']}\n"
            )
    data = ordered[-1] if ordered else {"Type": "forward"}  # moto accepts a listener without any
    match data["Type"]:
        case "fixed-response":
            return answer(data["FixedResponseConfig"])
        case "redirect":
            return redirect(data["RedirectConfig"])
        case _:
            return forward(data)


def answer(config: dict[str, Any]) -> Answer:
    """Return a fixed response."""
    return Answer(
        status=int(config["StatusCode"]),
        content_type=config.get("ContentType") or "text/plain",
        body=config.get("MessageBody") or "",
    )


def redirect(config: dict[str, Any]) -> Redirect:
    """Return a redirect; parts that are not given stay as in the request."""
    names = ("Protocol", "Host", "Port", "Path", "Query")
    parts = {name.lower(): str(config[name]) for name in names if config.get(name)}
    return Redirect(status=302 if config["StatusCode"].endswith("302") else 301, **parts)


def forward(data: dict[str, Any]) -> Forward:
    """Return a forward action with its weights."""
    stickiness = (data.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {}
    seconds = float(stickiness.get("DurationSeconds") or STICKY_FOR)
    return Forward(
        pools=tuple(weighted(data)), sticky=seconds if truth(stickiness.get("Enabled")) else None
    )


def weighted(data: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the target groups of a forward action with their weights."""
    groups = (data.get("ForwardConfig") or {}).get("TargetGroups") or []
    for group in groups:
        weight = group.get("Weight")
        yield group["TargetGroupArn"], 1 if weight is None else int(weight)
    if not groups and data.get("TargetGroupArn"):
        yield data["TargetGroupArn"], 1


def target_groups(listener: Any) -> set[str]:
    """Return the ARNs of the target groups that a listener or one of its rules names."""
    actions = [act for rule in listener.rules.values() for act in rule.actions]
    return {arn for act in actions if act.type == "forward" for arn, _ in weighted(act.data)}


def truth(value: Any) -> bool:
    """Return a boolean that may be given as text."""
    return str(value).lower() == "true"
