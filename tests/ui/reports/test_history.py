from __future__ import annotations

from dataclasses import replace

from pipeline.core.state.deployment import Kind, Outcome, PhaseRun, Result
from pipeline.ui.reports.history import history_document, history_text
from tests.ui.status_examples import NOW, RUNS, a_deployment, image, rolled_back

FIRST = a_deployment(
    green="r000123",
    blue="",
    version="1.3.0-12-gabcdef012345",
    image=image(123),
    began="2026-01-01T03:00:00+00:00",
    ended="2026-01-01T03:02:04.2+00:00",
    phases=RUNS[:4],
)
FAILED = rolled_back(began="2026-01-03T03:00:00+00:00", ended="2026-01-03T03:03:19+00:00")
BACK = a_deployment(
    kind=Kind.ROLLBACK,
    green="r000123",
    blue="r000124",
    version="1.3.0",
    image=image(123),
    phases=(PhaseRun(name="reattach", seconds=11.0), PhaseRun(name="drain", seconds=10.4)),
    began="2026-01-04T00:00:00+00:00",
    ended="2026-01-04T00:00:21.4+00:00",
)
RUNNING = a_deployment(
    green="r000126", blue="r000123", version="", outcome=None, ended="", phases=RUNS[:1]
)


HISTORY = """\
OUTCOME                 KIND      RELEASES            VERSION          WHEN    DURATION  BY
running                 promote   r000123 -> r000126  -                5m ago  -         ada on ci-7
             ami-00000000000000124, https://github.example/web/runs/9
             launch 1m 12s
rolled back to r000123  rollback  r000124 -> r000123  1.3.0            3h ago  21.4s     ada on ci-7
             ami-00000000000000123, https://github.example/web/runs/9
             reattach 11s, drain 10.4s
rolled back             promote   r000124 -> r000125  1.5.0            1d ago  3m 19s    ada on ci-7
             ami-00000000000000125, https://github.example/web/runs/9
             launch 1m 12s, verify 4.2s, attach 1m 31s (failed), reattach 1.1s, detach 20s, delete
             11s
             attach: i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks
             evidence: .ami-pipeline/deployments/20260104T030700-7f3a/evidence.txt
promoted                promote   - -> r000123        1.3.0-12-gab...  3d ago  2m 04s    ada on ci-7
             ami-00000000000000123, https://github.example/web/runs/9
             launch 1m 12s, verify 4.2s, attach 48s, soak 30s"""


def test_the_text_of_a_history() -> None:
    assert history_text([FIRST, FAILED, RUNNING, BACK], NOW, "production") == HISTORY


def test_a_removal_names_the_release_that_serves_once() -> None:
    removed = replace(BACK, kind=Kind.RETIRE, blue="r000123")
    line = history_text([removed], NOW, "production").split("\n")[1]
    assert line.split()[:3] == ["retired", "retire", "r000123"]
    assert "->" not in line


def test_a_narrow_terminal_has_the_last_columns_below_the_line() -> None:
    shown = history_text([BACK, RUNNING], NOW, "production", 80, 80).split("\n")
    assert max(map(len, shown)) <= 80
    assert shown[5:8] == [
        "rolled back to r000123  rollback  r000124 -> r000123  1.3.0    3h ago  21.4s",
        "             by: ada on ci-7",
        "             ami-00000000000000123, https://github.example/web/runs/9",
    ]


def test_a_completed_abort_shows_no_failure() -> None:
    outcome = Outcome(result=Result.ROLLED_BACK, reason="requested by ada")
    aborted = a_deployment(kind=Kind.ABORT, outcome=outcome)
    assert "requested by ada" not in history_text([aborted], NOW, "production")


def test_an_empty_history_has_a_next_command() -> None:
    text = history_text([], NOW, "production")
    assert text == "no deployments yet\nnext: ami-pipeline promote -e production"


def test_the_document_lists_the_deployments_newest_first() -> None:
    listed = history_document([FIRST, BACK])["deployments"]
    assert [each["kind"] for each in listed] == ["rollback", "promote"]
    assert history_document([]) == {"deployments": []}


def test_a_hook_that_failed_after_the_decision_is_in_the_history() -> None:
    outcome = Outcome(result=Result.PROMOTED, hook_errors=("after hook ./a: exit code 1",))
    text = history_text([replace(FIRST, outcome=outcome)], NOW, "production")
    assert "             hook error: after hook ./a: exit code 1" in text
