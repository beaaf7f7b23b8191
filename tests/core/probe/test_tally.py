from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from pipeline.core.probe.expectation import Answer, Result, excerpt_of, failure_of, version_of
from pipeline.core.probe.settings import Probe, Tolerance
from pipeline.core.probe.tally import (
    MOST_COUNTED,
    MOST_KEPT,
    ProbeTotals,
    Tally,
    describe_failures,
)

URL = "https://web.example.com/orders"
PROBE = Probe(url=URL)


def a_result(failure: str = "", *, phase: str = "soak", sent: float = 0.0) -> Result:
    at = "2026-11-29T14:02:11.250+00:00"
    excerpt = "boom\nat line 3" if failure else ""
    return Result(phase=phase, sent=sent, at=at, seconds=0.012, failure=failure, excerpt=excerpt)


@pytest.mark.parametrize(
    ("probe", "answer", "failure"),
    [
        (PROBE, Answer(status=200), ""),
        (PROBE, Answer(status=299), ""),
        (PROBE, Answer(status=302), "HTTP 302, expected 200-299"),
        (Probe(url=URL, expect=((200, 200), (404, 404))), Answer(status=404), ""),
        (
            Probe(url=URL, expect=((200, 204), (404, 404))),
            Answer(status=500),
            "HTTP 500, expected 200-204, 404",
        ),
        (Probe(url=URL, contains="ready"), Answer(status=200, body=b"is ready"), ""),
        (
            Probe(url=URL, contains="ready"),
            Answer(status=200, body=b"starts"),
            "HTTP 200 without 'ready' in the body",
        ),
    ],
)
def test_an_answer_needs_an_expected_status_and_the_text(
    probe: Probe, answer: Answer, failure: str
) -> None:
    assert failure_of(probe, answer) == failure


def test_an_excerpt_is_short_and_readable() -> None:
    assert (
        excerpt_of(b"\n<h1>\xff</h1>\n" + b"line\n" * 9)
        == "<h1>\ufffd</h1>\nline\nline\nline\nline"
    )
    assert len(excerpt_of(b"x" * 5000)) == 400


def test_every_request_is_counted_and_failures_count_in_the_phases_that_are_blamed() -> None:
    tally = Tally(probe=PROBE)
    tally.add([a_result(), a_result("HTTP 500"), a_result("HTTP 503", phase="reattach")], {"soak"})
    assert tally.totals == ProbeTotals(requests=3, failures=2, blamed=1)
    assert str(tally.totals) == "3 requests, 2 failed"


def test_totals_are_readable() -> None:
    totals = {
        "1 request, 0 failed": ProbeTotals(requests=1),
        "6,200 requests, 1,000 failed": ProbeTotals(requests=6200, failures=1000),
        "2 requests, 0 failed, 7 not sent": ProbeTotals(requests=2, unsent=7),
    }
    assert [str(each) for each in totals.values()] == list(totals)


def test_one_failure_is_too_many_by_default() -> None:
    tally = Tally(probe=PROBE)
    tally.add([a_result()], {"soak"})
    assert tally.excess(now=1) == ""
    tally.add([a_result("HTTP 500, expected 200-299")], {"soak"})
    assert tally.excess(now=1) == (
        "the probe had 1 failed request, at most 0 failures; the first: HTTP 500, expected 200-299"
    )


def test_the_failures_of_earlier_runs_of_the_deployment_count_too() -> None:
    probe = Probe(url=URL, tolerance=Tolerance(failures=2))
    tally = Tally(probe=probe, totals=ProbeTotals(requests=9, failures=2, blamed=2))
    assert tally.excess(now=1) == ""
    tally.add([a_result("HTTP 500")], {"soak"})
    assert tally.totals.requests == 10
    assert "3 failed requests, at most 2 failures" in tally.excess(now=1)


def test_a_share_counts_the_failures_of_the_last_minute() -> None:
    tally = Tally(probe=Probe(url=URL, tolerance=Tolerance(failures=1, window=60)))
    tally.add([a_result("HTTP 500", sent=10)], {"soak"})
    tally.add([a_result("HTTP 500", sent=75)], {"soak"})
    assert tally.excess(now=75) == ""
    tally.add([a_result("HTTP 500", sent=80)], {"soak"})
    assert "2 failed requests, at most 1 failure in 1m" in tally.excess(now=81)
    assert tally.excess(now=136) == ""


def test_failures_that_began_before_traffic_moved_decide_nothing() -> None:
    tally = Tally(probe=PROBE, totals=ProbeTotals(ignored=True))
    tally.add([a_result("HTTP 500")], {"soak"})
    assert tally.excess(now=1) == ""
    assert tally.totals.failures == 1


def test_the_file_has_each_kind_of_failure_and_the_first_answers() -> None:
    tally = Tally(probe=PROBE)
    tally.add([a_result("HTTP 500, expected 200-299")] * (MOST_KEPT + 5), {"soak"})
    tally.add([a_result("no answer within 5s"), a_result()], {"soak"})
    text = describe_failures(tally)
    assert text.startswith(
        "probe https://web.example.com/orders, 10/s, expects 200-299, at most 0 failures\n"
        "27 requests, 26 failed\n\n"
        "      25  HTTP 500, expected 200-299\n"
        "       1  no answer within 5s\n\n"
        "2026-11-29T14:02:11.250+00:00 soak: HTTP 500, expected 200-299 (12 ms)\n"
        "  | boom\n  | at line 3\n"
    )
    assert text.count("(12 ms)") == MOST_KEPT


def test_a_probe_is_described_in_one_line() -> None:
    limit = Tolerance(failures=6, window=60)
    probe = Probe(url=URL, rate=0.5, contains="ok", tolerance=limit)
    assert probe.describe() == (
        f"{URL}, 0.5/s, expects 200-299 with 'ok', at most 6 failures in 1m"
    )
    assert Tolerance().window == inf


def test_answers_are_counted_by_version_and_status_and_few_of_them_apart() -> None:
    tally = Tally(probe=PROBE)
    good, none = replace(a_result(), status=200, version="1.0"), a_result("refused")
    tally.add([good, good, none], set())
    assert [str((each.version, each.status, each.count)) for each in tally.answers] == [
        "('', 'no answer', 1)",
        "('1.0', '200', 2)",
    ]
    tally.add([replace(good, version=f"v{number}") for number in range(100)], set())
    assert len(tally.answers) == MOST_COUNTED + 1
    assert sum(each.count for each in tally.answers) == 103


@pytest.mark.parametrize(
    ("place", "body", "headers", "version"),
    [
        ("version", b'{"version": "1.4.0"}', {}, "1.4.0"),
        ("build", b' {"build": "a\\u001b[31m"}', {}, "a[31m"),
        ("version", b'{"version": 7}', {}, ""),
        ("version", b"<html>", {}, ""),
        ("version", b"{", {}, ""),
        ("version", b'{"version": "' + b"x" * 99 + b'"}', {}, "x" * 64),
        ("version", b'{"version": "1"' + b" " * 20_000 + b"}", {}, ""),
        ("header:X-Version", b'{"version": "1"}', {"x-version": "2"}, "2"),
        ("header:X-Version", b'{"version": "1"}', {}, ""),
        ("", b'{"": "1"}', {}, ""),
    ],
)
def test_the_version_of_an_answer_is_in_a_field_or_in_a_header(
    place: str, body: bytes, headers: dict[str, str], version: str
) -> None:
    probe = replace(PROBE, version_in=place)
    assert version_of(probe, Answer(status=200, body=body, headers=headers)) == version
