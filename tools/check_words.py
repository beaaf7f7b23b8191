"""Report words that this project does not use: `python -m tools.check_words [PATH ...]`.

The words and their replacements are in `tools/words.txt`. Apart from ruff, which knows no words.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORDS = ROOT / "tools" / "words.txt"
WHERE = ("pipeline", "local_cloud", "docs", "README.md", "CONTRIBUTING.md")
KINDS = frozenset({".py", ".md", ".toml", ".yml", ".yaml", ".json"})
_QUOTED = re.compile(r'`[\w/]+\.py::test_\w+`|https?://[^\s)]+|"[A-Z][A-Za-z]+": "')
"""A test's id, an address and AWS's name of an action: their words are not words of the page."""
_NAME_PART = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def rules(text: str) -> list[tuple[re.Pattern[str], str]]:
    """Return each pattern of a word list with its replacement."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [line.split(" = ", 1) for line in lines]
    return [
        (re.compile(rf"(?<![A-Za-z'])(?:{word})(?![A-Za-z])", re.IGNORECASE), instead)
        for word, instead in pairs
    ]


def offences(text: str, known: Sequence[tuple[re.Pattern[str], str]]) -> Iterator[tuple[int, str]]:
    """Yield the line and the advice for each word of a text that is in the list."""
    for number, line in enumerate(text.splitlines(), 1):
        spaced = _NAME_PART.sub(" ", _QUOTED.sub("", line))
        for pattern, instead in known:
            if found := pattern.search(spaced):
                yield number, f"{found[0]!r}: write {instead}"


def files(paths: Sequence[str]) -> Iterator[Path]:
    """Yield the files to check below these paths."""
    for path in map(Path, paths):
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (each for each in below if each.suffix in KINDS and each.is_file())


def main(paths: Sequence[str]) -> int:
    """Print each offence; return 1 if there is one."""
    known = rules(WORDS.read_text())
    found = 0
    for path in files(paths or [str(ROOT / each) for each in WHERE]):
        for number, advice in offences(path.read_text(), known):
            print(f"{path}:{number}: {advice}")
            found += 1
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
