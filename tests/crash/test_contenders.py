"""The report on killed deploys of other tools; `make crash-contenders` produces them."""

from __future__ import annotations

from tests.crash import contender_report
from tests.crash.contender_report import ContenderResult, KilledDeploy
from tests.crash.leftovers import orphans

LOCKED = "Error: Error acquiring the state lock"
EXISTS = (
    "Error: creating Auto Scaling Group (web-shell-cla-local-ami-133391d883320aa5c): "
    "RequestID: 35b2TTOIy7MI5WNO0UX5IHbTRtCV, AlreadyExists"
)


def killed_deploy(after: str, code: int = 0, *left: str, killed: bool = True) -> KilledDeploy:
    return KilledDeploy(
        after=after,
        killed=killed,
        code=code,
        fixed=not code,
        seconds=10.4 + len(after),
        requests=100,
        failed=code,
        failures={"503": code} if code else {},
        at_kill=("group g", *left),
        left=left,
        error=EXISTS if code else "",
    )


def contender_result(*kills: KilledDeploy) -> ContenderResult:
    return ContenderResult(
        tool="shell", kind="classic", state="local", boundaries=("a", "b", "c"), kills=kills
    )


def test_earlier_resources_and_the_serving_ones_are_no_orphans() -> None:
    before = {("image", "old"), ("instance", "unrelated")}
    green = {("group", "green"), ("image", "new")}
    after = before | green | {("group", "blue"), ("instance", "builder")}
    assert orphans(before, green, after) == [("group", "blue"), ("instance", "builder")]


def test_the_last_error_is_shown_without_the_frame_of_terraform() -> None:
    output = f"╷\n│ Error: first\n│ \n╵\n\x1b[31m╷\n│ {LOCKED}\n│ \n│ api error: 412\n╵\n"
    assert contender_report.last_error(output) == LOCKED
    assert contender_report.last_error("Apply complete\n") == ""


def test_errors_that_differ_by_names_and_requests_are_one_class() -> None:
    assert contender_report.error_class(EXISTS) == (
        "Error: creating Auto Scaling Group (…): RequestID: …, AlreadyExists"
    )


def test_sums_skip_deploys_that_were_not_killed_and_times_skip_those_not_fixed() -> None:
    results = contender_result(
        killed_deploy("a"), killed_deploy("bbbb", 1, "key pair k"), killed_deploy("c", killed=False)
    )
    assert contender_report.text([results]).splitlines()[2] == (
        "| shell | classic | local | 3 | 2 | 200 | 1 | 3 | 1 | 1 of 2 | 11, 11 |"
    )


def test_errors_failed_requests_and_leftovers_are_counted_by_class() -> None:
    results = contender_result(
        killed_deploy("a", 1, "key pair k", "image i"), killed_deploy("b", 1, "key pair l")
    )
    summary = list(contender_report.classes([results]))
    assert summary == [
        "errors:",
        "  2 x Error: creating Auto Scaling Group (…): RequestID: …, AlreadyExists",
        "failed requests:",
        "  2 x 503",
        "left after one command:",
        "  2 x key pair",
        "  1 x image",
    ]
