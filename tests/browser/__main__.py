"""Check the report and the dashboard in a real browser: `make browser`.

Every page in two widths and two color schemes: no console errors, no findings of axe-core, nothing
wider than the window, keyboard. `--pictures` writes those of the documentation.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.ui.reports.html_report import report_html
from tests.browser import programs, story
from tests.browser.checks import SCHEMES, WIDTHS, Checked
from tests.ui.reports.markup import ATTACKS

PICTURES = programs.ROOT / "docs/pictures"
PATHS = (
    "",
    "environments/production",
    "environments/staging",
    "environments/lost",
    "deployments/20260104T030700-7f3a",
    "images",
)
HOSTILE = "".join(ATTACKS)


def main() -> int:
    """Run the checks; return 1 if a page has a problem."""
    parser = argparse.ArgumentParser(prog="make browser")
    parser.add_argument("--pictures", action="store_true", help="write the pictures of the pages")
    given = parser.parse_args()
    api = programs.playwright()
    with api.sync_playwright() as started, tempfile.TemporaryDirectory() as folder:
        browser = started.chromium.launch(
            executable_path=programs.chromium(), args=["--no-sandbox"] if os.getuid() == 0 else []
        )
        checked = Checked(browser=browser, axe=programs.axe())
        report = Path(folder) / "report.html"
        report.write_text(report_html(story.failed_release()))
        check_report(checked, report)
        with dashboard("") as url:
            check_dashboard(checked, url)
            if given.pictures:
                write_pictures(browser, report, url)
        with dashboard(HOSTILE) as url:
            check_hostile(checked, url)
        browser.close()
    lines = [*checked.problems, f"browser: {checked.pages} pages, {len(checked.problems)} problems"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if checked.problems else 0


def check_report(checked: Checked, report: Path) -> None:
    """Check the file of a report, also without a script, and open a part of it by keyboard."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            with checked.page(report.as_uri(), width, scheme) as page:
                checked.check(page, f"report {width} {scheme}")
                if page.evaluate("document.scripts.length"):
                    checked.problems.append("the report has a script")
    with checked.page(report.as_uri(), "wide", "light") as page:
        page.locator("summary").first.focus()
        page.keyboard.press("Enter")
        if not page.locator("details[open]").count():
            checked.problems.append("Enter does not open a part of the report")


def check_dashboard(checked: Checked, url: str) -> None:
    """Check each page, and that the live part is connected and keeps the focus."""
    for path in PATHS:
        for width in WIDTHS:
            for scheme in SCHEMES:
                with checked.page(url + path, width, scheme) as page:
                    checked.check(page, f"{path} {width} {scheme}")
    with checked.page(f"{url}environments/production", "wide", "light") as page:
        page.get_by_text("Live.").wait_for(timeout=5000)
        page.locator("[data-live] a").first.focus()
        page.evaluate("replace(part.innerHTML)")
        if page.evaluate("document.activeElement.tagName") != "A":
            checked.problems.append("the focus is lost when the live part changes")
        page.keyboard.press("Enter")
        page.wait_for_url("**/deployments/**")


def check_hostile(checked: Checked, url: str) -> None:
    """Check that hostile texts are shown as texts on each page, also after a live update."""
    for path in PATHS:
        with checked.page(url + path, "phone", "light") as page:
            checked.check(page, f"hostile {path}")
            if ATTACKS[0] not in page.inner_text("body") and path != "images":
                checked.problems.append(f"hostile {path}: the text is not shown")
            if page.locator("[data-live]").count():
                page.get_by_text("Live.").wait_for(timeout=5000)


def write_pictures(browser: Any, report: Path, url: str) -> None:
    """Write the pictures of the documentation: small PNG files."""
    shots = {
        "report.png": (report.as_uri(), 1000, 720, "light"),
        "report-phone.png": (report.as_uri(), 390, 844, "dark"),
        "dashboard.png": (f"{url}environments/production", 1000, 720, "light"),
    }
    for name, (address, width, height, scheme) in shots.items():
        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, color_scheme=scheme)
        page = context.new_page()
        page.goto(address)
        page.screenshot(path=str(PICTURES / name))
        context.close()
        sys.stdout.write(f"{PICTURES / name}\n")


@contextmanager
def dashboard(text: str) -> Iterator[str]:
    """Serve the dashboard of the examples in a process for a block; return its URL."""
    words = [sys.executable, "-m", "tests.browser.serve", text]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=programs.ROOT) as running:
        assert running.stdout
        try:
            yield running.stdout.readline().strip()
        finally:
            running.terminate()


if __name__ == "__main__":
    sys.exit(main())
