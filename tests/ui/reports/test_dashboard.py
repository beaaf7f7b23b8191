"""The pages of the dashboard, by their paths, on examples."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.cli.reports.site import FILES
from pipeline.core.errors import RefusedError
from tests.ui.reports.markup import ATTACKS, Page, dangers
from tests.ui.reports.stand import HISTORY, example_site

OWN = frozenset({"/dashboard.js"})
PAGES = {
    "/": (
        "production ✔ 3 of 3 members healthy",
        "in flight ▸ promote in attach",
        "lost ? unknown sts:GetCallerIdentity: no AWS credentials found",
    ),
    "/environments/production": (
        "promote r000125 (1.5.0, ami-00000000000000125), replacing r000124",
        "waiting: 0 of 3 members of web-production-r000125 are healthy in web-tg",
        "serving ✔ r000124, 3 of 3 members healthy",
        "rollback cancel its CI job, then ami-pipeline abort -e production: restores r000124",
        "rolled back fix for #812 attach: i-00125000000000001: unhealthy in web-tg",
    ),
    "/environments/staging": (
        "rollback ami-pipeline rollback -e staging: r000123 (version 1.3.0) is warm",
    ),
    "/environments/lost": (
        "no AWS credentials found",
        "serving r000124, as recorded version 1.4.0",
        "No deployments yet.",
    ),
    f"/deployments/{HISTORY[0].id}": ("Failed in attach", "Members by state"),
    "/images": (
        "└ ami-00000000000000125 built on the one above 1.5.0 good, on quarantined ami-0000",
        "production r000124, serving; staging r000124, serving; group web-production-r000124",
        "quarantined r000123 was rolled back from",
    ),
}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_what_the_terminal_shows(path: str) -> None:
    answer = example_site().answer(path)
    page = Page(answer.text)
    assert (answer.status, answer.kind, dangers(page, scripts=OWN)) == (200, "text/html", [])
    assert [text for text in PAGES[path] if text not in page.text] == []
    assert "style" not in {name for _, given in page.elements for name in given}
    assert [given for name, given in page.elements if name == "style"] == []


@pytest.mark.parametrize("path", PAGES)
def test_no_text_of_a_user_is_markup_on_a_page(path: str) -> None:
    for text in ATTACKS:
        site = example_site(text)
        for html in (site.answer(path).text, site.live(path) or ""):
            page = Page(html)
            assert dangers(page, scripts=OWN) == [], text
            assert not html or text in page.text


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/nope", "there is no page /nope"),
        ("/environments/other", "there is no page /environments/other"),
        ("/environments/production/x", "there is no page"),
        ("/deployments/20260104T030700Z-ffff", "there is no such deployment"),
        ("/deployments/..", "is not allowed"),
        ("/<script>", "there is no page /<script>"),
    ],
)
def test_a_page_that_does_not_exist_is_an_error_with_a_next_step(path: str, what: str) -> None:
    answer = example_site().answer(path)
    page = Page(answer.text)
    assert (answer.status, dangers(page, scripts=OWN)) == (404, [])
    assert what in page.text
    assert "Next: " in page.text


def test_an_error_of_the_program_does_not_end_the_dashboard() -> None:
    site = example_site()
    broken: Any = None
    site._reader = broken
    answer = site.answer("/")
    assert (answer.status, "AttributeError" in answer.text) == (500, True)


@pytest.mark.parametrize("path", ["/", "/environments/production"])
@pytest.mark.parametrize("kind", [RuntimeError, RefusedError])
def test_an_error_in_a_live_part_is_shown_and_the_next_reading_replaces_it(
    path: str, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = example_site()
    reader: Any = site._reader

    def fail(*_: str) -> None:
        raise kind(*(["<b>lost", "is damaged", "repair it"] if kind is RefusedError else ["lost"]))

    with monkeypatch.context() as patched:
        patched.setattr(reader, "overview", fail)
        patched.setattr(reader, "environment", fail)
        page = Page(site.live(path) or "")
    assert dangers(page, scripts=OWN) == []
    assert ("lost: is damaged Next: repair it" in page.text) == (kind is RefusedError)
    assert "lost" in page.text
    assert "lost: is damaged" not in (site.live(path) or "")


def test_only_pages_that_change_have_a_live_part_and_it_is_that_of_the_page() -> None:
    site = example_site()
    found = {path: site.live(path) for path in (*PAGES, "/nope", "/style.css")}
    assert [path for path, part in found.items() if part] == [
        "/",
        "/environments/production",
        "/environments/staging",
        "/environments/lost",
    ]
    for path, part in found.items():
        assert part is None or part in site.answer(path).text


def test_the_files_of_a_page_are_served() -> None:
    for path, kind in FILES.items():
        answer = example_site().answer(path)
        assert (answer.status, answer.kind) == (200, kind)
