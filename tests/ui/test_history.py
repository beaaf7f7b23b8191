from __future__ import annotations

from pipeline.core.state.deployment import Kind, Outcome, PhaseRun, Result
from pipeline.ui.history import history_document, history_text
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
OUTCOME      KIND      RELEASES            VERSION               WHEN       TOOK        BY
running      promote   r000123 -> r000126  -                     5 min ago  -           ada on ci-7
             ami-00000000000000124, https://github.example/web/runs/9
             launch 1 min 12 s
promoted     rollback  r000124 -> r000123  1.3.0                 3 h ago    21.4 s      ada on ci-7
             ami-00000000000000123, https://github.example/web/runs/9
             restore 11.0 s, drain 10.4 s
rolled back  promote   r000124 -> r000125  1.5.0                 1 d ago    3 min 19 s  ada on ci-7
             ami-00000000000000125, https://github.example/web/runs/9
             launch 1 min 12 s, verify 4.2 s, attach 1 min 31 s (failed), restore 1.1 s, withdraw
             20.0 s, remove 11.0 s
             attach: i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks
             evidence: .ami-pipeline/deployments/20260104T030700-7f3a/evidence.txt
promoted     promote   - -> r000123        1.3.0-12-gabcdef0...  3 d ago    2 min 04 s  ada on ci-7
             ami-00000000000000123, https://github.example/web/runs/9
             launch 1 min 12 s, verify 4.2 s, attach 48.0 s, soak 30.0 s"""


def test_the_history_reads_so() -> None:
    assert history_text([FIRST, FAILED, RUNNING, BACK], NOW) == HISTORY


def test_an_abort_that_put_back_has_no_fault_to_tell() -> None:
    outcome = Outcome(result=Result.ROLLED_BACK, reason="asked by ada")
    aborted = a_deployment(kind=Kind.ABORT, outcome=outcome)
    assert "asked by ada" not in history_text([aborted], NOW)


def test_without_deployments_the_next_step_is_named() -> None:
    assert history_text([], NOW) == "no deployments yet: ami-pipeline promote makes the first"


def test_a_program_gets_the_deployments_newest_first() -> None:
    listed = history_document([FIRST, BACK])["deployments"]
    assert [each["kind"] for each in listed] == ["rollback", "promote"]
    assert history_document([]) == {"deployments": []}
