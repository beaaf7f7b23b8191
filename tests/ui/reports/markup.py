"""Read a page as a browser would: its elements, their attributes, and what a person sees."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})


class Page(HTMLParser):
    """The elements of a page in order, and its text; `errors` are tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.errors: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.errors += [f"{each} is open" for each in self._open]

    @property
    def text(self) -> str:
        """What a person reads, on one line."""
        return " ".join(" ".join(self.texts).split())

    def attributes(self, name: str) -> list[str]:
        """Return each value of an attribute."""
        return [given[name] for _, given in self.elements if name in given]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.errors.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.texts.append(data)


ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</style></pre></textarea><iframe src=//evil.example>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;",
    "javascript:alert(1)",
    "]]><!--",
)
"""Texts that would be markup or code on a page that does not escape them."""
SCRIPTS = frozenset({"script", "iframe", "object", "embed", "img", "base", "form"})


def dangers(page: Page, *, scripts: frozenset[str] = frozenset()) -> list[str]:
    """Return what a text of a user made of a page; `scripts` are the page's own."""
    found = [
        f"{tag} {given}"
        for tag, given in page.elements
        if (tag in SCRIPTS and given.get("src", "") not in scripts)
        or any(name.startswith("on") for name in given)
    ]
    urls = [*page.attributes("href"), *page.attributes("src")]
    found += [each for each in urls if ":" in each and not each.startswith(("http://", "https://"))]
    return [*found, *page.errors]
