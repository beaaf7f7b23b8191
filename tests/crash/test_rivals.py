"""What is told of the deaths of other ways to deploy; the deaths themselves are `make rivals`."""

from __future__ import annotations

from tests.crash import rival_report
from tests.crash.leftovers import orphans
from tests.crash.rival_report import Campaign, Death

LOCKED = "Error: Error acquiring the state lock"
EXISTS = (
    "Error: creating Auto Scaling Group (web-shell-cla-local-ami-133391d883320aa5c): "
    "RequestID: 35b2TTOIy7MI5WNO0UX5IHbTRtCV, AlreadyExists"
)


def death(after: str, code: int = 0, *left: str, died: bool = True) -> Death:
    return Death(
        after=after,
        died=died,
        code=code,
        mended=not code,
        seconds=10.4 + len(after),
        requests=100,
        failed=code,
        failures={"503": code} if code else {},
        at_death=("group g", *left),
        left=left,
        error=EXISTS if code else "",
    )


def campaign(*deaths: Death) -> Campaign:
    return Campaign(
        way="shell", kind="classic", state="local", boundaries=("a", "b", "c"), deaths=deaths
    )


def test_what_was_there_before_and_what_serves_is_no_orphan() -> None:
    before = {("image", "old"), ("instance", "somebody's")}
    green = {("group", "green"), ("image", "new")}
    now = before | green | {("group", "blue"), ("instance", "builder")}
    assert orphans(before, green, now) == [("group", "blue"), ("instance", "builder")]


def test_the_last_error_is_told_without_terraforms_frame() -> None:
    said = f"╷\n│ Error: first\n│ \n╵\n\x1b[31m╷\n│ {LOCKED}\n│ \n│ api error: 412\n╵\n"
    assert rival_report.last_error(said) == LOCKED
    assert rival_report.last_error("Apply complete\n") == ""


def test_errors_that_differ_by_names_and_requests_are_one_class() -> None:
    assert rival_report.error_class(EXISTS) == (
        "Error: creating Auto Scaling Group (…): RequestID: …, AlreadyExists"
    )


def test_the_sums_leave_out_what_did_not_die_and_the_seconds_what_did_not_mend() -> None:
    played = campaign(death("a"), death("bbbb", 1, "key pair k"), death("c", died=False))
    assert rival_report.text([played]).splitlines()[2] == (
        "| shell | classic | local | 3 | 2 | 200 | 1 | 3 | 1 | 1 of 2 | 11, 11 |"
    )


def test_what_went_wrong_is_counted_in_classes() -> None:
    played = campaign(death("a", 1, "key pair k", "image i"), death("b", 1, "key pair l"))
    told = list(rival_report.classes([played]))
    assert told == [
        "errors:",
        "  2 x Error: creating Auto Scaling Group (…): RequestID: …, AlreadyExists",
        "failed requests:",
        "  2 x 503",
        "left after one command:",
        "  2 x key pair",
        "  1 x image",
    ]
