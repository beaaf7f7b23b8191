"""Check one page in a real browser: no errors, no findings of axe-core, nothing cut off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

WIDTHS = {"wide": (1280, 900), "phone": (390, 844)}
"""Pixels: a laptop and a phone."""
SCHEMES = ("light", "dark")
AXE = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations", "incomplete"]});
  return found.violations.map((each) => `${each.id}: ${each.nodes.map((n) => n.target).join(" ")}`);
}"""
WIDEST = """() => [...document.querySelectorAll("body *")]
  .filter((each) => each.getBoundingClientRect().right > innerWidth + 1
    && !each.closest("pre, .skip") && getComputedStyle(each).position !== "absolute")
  .map((each) => each.outerHTML.slice(0, 120)).slice(0, 3)"""
FOCUSED = """() => {
  const each = document.activeElement, style = getComputedStyle(each);
  const box = each.getBoundingClientRect();
  return {tag: each.tagName, text: (each.textContent || "").trim().slice(0, 60),
    outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
    seen: box.bottom > 0 && box.right > 0 && box.width > 0};
}"""
MOST_TABS = 60


@dataclass(kw_only=True)
class Checked:
    """A browser, the source of axe-core, and the problems so far."""

    browser: Any
    axe: str
    problems: list[str] = field(default_factory=list)
    pages: int = 0

    @contextmanager
    def page(self, url: str, width: str, scheme: str) -> Iterator[Any]:
        """Open a page in a window of its own; note what the browser complains about."""
        size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
        context = self.browser.new_context(viewport=size, color_scheme=scheme)
        where = f"{url} {width} {scheme}"
        page = context.new_page()
        page.on("console", lambda each: self._console(where, each))
        page.on("pageerror", lambda error: self.problems.append(f"{where}: {error}"))
        page.on("dialog", lambda each: self._dialog(where, each))
        page.on("request", lambda each: self._requested(where, url, each.url))
        try:
            page.goto(url)
            self.pages += 1
            yield page
        finally:
            context.close()

    def _dialog(self, where: str, dialog: Any) -> None:
        self.problems.append(f"{where}: dialog")
        dialog.dismiss()

    def _console(self, where: str, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(f"{where}: console {message.type}: {message.text}")

    def _requested(self, where: str, page: str, url: str) -> None:
        origin = "/".join(page.split("/")[:3])
        if not url.startswith(origin):
            self.problems.append(f"{where}: requests {url}")

    def check(self, page: Any, where: str) -> None:
        """Check a page that is open: axe-core, its width, and the way of the Tab key."""
        page.evaluate(self.axe)
        self.problems += [f"{where}: axe {each}" for each in page.evaluate(AXE)]
        if cut := page.evaluate(WIDEST):
            self.problems.append(f"{where}: wider than the window: {cut}")
        self.tab(page, where)

    def tab(self, page: Any, where: str) -> None:
        """Press Tab through the page: each stop is visible, and the first one skips the head."""
        stops: list[str] = []
        for _ in range(MOST_TABS):
            page.keyboard.press("Tab")
            focused = page.evaluate(FOCUSED)
            if focused["tag"] == "BODY":
                break
            stops.append(focused["text"])
            if not (focused["outline"] and focused["seen"]):
                self.problems.append(f"{where}: focus is invisible on {focused}")
        if not stops or stops[0] != "Skip to the content":
            self.problems.append(f"{where}: the first stop is {stops[:1]}")
