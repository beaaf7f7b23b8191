"""Conditions, rules and redirects of an Application Load Balancer, without any request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local_cloud.traffic import rules
from local_cloud.traffic.plan import Answer, Condition, Listener, Redirect, Rule

REQUEST = rules.Request(
    method="GET",
    protocol="http",
    host="Shop.Example.com",
    port=80,
    path="/img/cat.png",
    query="Version=V1&flag=&q=100%25",
    source="10.1.2.3",
    headers=(("X-Env", "Canary-7"), ("x-env", "other")),
)


@pytest.mark.long
@pytest.mark.parametrize(
    ("field", "value", "is_met"),
    [
        ("path-pattern", "/img/*", True),
        ("path-pattern", "/img/cat.???", True),
        ("path-pattern", "/img/cat.??", False),
        ("path-pattern", "/IMG/*", False),  # "The comparison is case sensitive"
        ("path-pattern", "/img", False),
        ("path-pattern", "/img/cat.png?Version=*", False),  # not the query
        ("path-pattern", "/img/cat[.]png", False),
        ("host-header", "shop.example.com", True),
        ("host-header", "*.EXAMPLE.com", True),
        ("host-header", "example.com", False),
        ("http-header", "canary-*", True),
        ("http-header", "OTHER", True),  # any header of that name
        ("http-header", "canary", False),
        ("http-request-method", "GET", True),
        ("http-request-method", "get", False),
        ("http-request-method", "*", False),  # "Wildcards are not supported"
        ("query-string", "version=v1", True),
        ("query-string", "version=v?", True),
        ("query-string", "vers*=v1", True),
        ("query-string", "v1", True),  # the key may be left out
        ("query-string", "version", False),
        ("query-string", "version=v2", False),
        ("query-string", "q=100%", True),  # percent-encoding is undone
        ("source-ip", "10.1.0.0/16", True),
        ("source-ip", "10.1.2.3/32", True),
        ("source-ip", "10.2.0.0/16", False),
        ("source-ip", "2001:db8::/32", False),
        ("something-new", "*", False),
    ],
)
def test_a_condition_is_met_by(field: str, value: str, is_met: bool) -> None:
    condition = Condition(field=field, values=(value,), name="X-ENV")
    assert rules.matches(condition, REQUEST) is is_met


def test_a_header_of_another_name_does_not_count() -> None:
    condition = Condition(field="http-header", values=("*",), name="X-Other")
    assert not rules.matches(condition, REQUEST)


def test_one_value_is_enough_for_a_condition() -> None:
    condition = Condition(field="path-pattern", values=("/a", "/img/*", "/b"))
    assert rules.matches(condition, REQUEST)


@pytest.mark.parametrize(
    ("pattern", "text", "same"),
    [(r"a\*b", "a*b", True), (r"a\*b", "axb", False), (r"\?", "?", True), (r"\?", "x", False)],
)
def test_a_backslash_escapes_a_wildcard(pattern: str, text: str, same: bool) -> None:
    assert bool(rules.wildcard(pattern).fullmatch(text)) is same


def a_rule(body: str, *conditions: Condition) -> Rule:
    return Rule(conditions=conditions, action=Answer(status=200, body=body))


IMAGES = Condition(field="path-pattern", values=("/img/*",))
POSTS = Condition(field="http-request-method", values=("POST",))


def test_the_first_rule_whose_conditions_are_all_met_decides() -> None:
    listener = Listener(
        port=80,
        protocol="HTTP",
        default=Answer(status=404),
        rules=(a_rule("both", IMAGES, POSTS), a_rule("images", IMAGES), a_rule("late", IMAGES)),
    )
    assert rules.action(listener, REQUEST) == Answer(status=200, body="images")
    posted = replace(REQUEST, method="POST")
    assert rules.action(listener, posted) == Answer(status=200, body="both")
    other = replace(REQUEST, path="/")
    assert rules.action(listener, other) == Answer(status=404)


@pytest.mark.parametrize(
    ("redirect", "location"),
    [
        (
            Redirect(status=301, protocol="HTTPS", port="443"),
            "https://Shop.Example.com:443/img/cat.png?Version=V1&flag=&q=100%25",
        ),
        (
            Redirect(status=302, host="old.#{host}", path="/new/#{path}", query="#{query}&x=1"),
            "http://old.Shop.Example.com:80/new/img/cat.png?Version=V1&flag=&q=100%25&x=1",
        ),
        (Redirect(status=302, path="/gone", query=""), "http://Shop.Example.com:80/gone"),
        (Redirect(status=302, path="/#{odd}", query=""), "http://Shop.Example.com:80/#{odd}"),
    ],
)
def test_a_redirect_fills_in_the_parts_of_the_request(redirect: Redirect, location: str) -> None:
    assert rules.location(redirect, REQUEST) == location
