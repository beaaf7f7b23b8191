from __future__ import annotations

import tomllib

import pytest

from pipeline.config.lines import depth, lines

DOCUMENT = '''\
# a comment with [brackets] and "quotes"
app = "web"  # [x]
region = 'eu-central-1'

[bake]
vars = { port = 8080, "odd key" = [1, 2], deep = { x = 1 } }
inputs = [
  "a", # comment ]
  "b",
  ["c",
   "d"],
]
text = """
[not.a.table]
x = "y" ""
"""
literal = \'\'\'
[nor.this]
it's\'\'\'
after = 1979-05-27 07:32:00
number = 1.5e3
  [bake . "tags"]
  "a.b" = "1"
  'c d' = "2"
  dotted . key.more = true
[[things]]
name = 1
[[things.parts]]
id = 1
[[things.parts]]
id = 2
[[things]]
[things.sub]
id = 3
'''


def _leaves(value: object, key: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    pairs: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    found = {(*key, part) for part, _ in pairs}
    return found.union(*(_leaves(inner, (*key, part)) for part, inner in pairs))


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("app",), 2),
        (("region",), 3),
        (("bake",), 5),
        (("bake", "vars", "port"), 6),
        (("bake", "vars", "odd key", 1), 6),
        (("bake", "vars", "deep", "x"), 6),
        (("bake", "inputs"), 7),
        (("bake", "inputs", 0), 8),
        (("bake", "inputs", 1), 9),
        (("bake", "inputs", 2, 1), 11),
        (("bake", "text"), 13),
        (("bake", "literal"), 17),
        (("bake", "after"), 20),
        (("bake", "number"), 21),
        (("bake", "tags"), 22),
        (("bake", "tags", "a.b"), 23),
        (("bake", "tags", "c d"), 24),
        (("bake", "tags", "dotted", "key", "more"), 25),
        (("things", 0, "name"), 27),
        (("things", 0, "parts", 1, "id"), 31),
        (("things", 1, "sub", "id"), 34),
    ],
)
def test_each_key_has_its_own_line(key: tuple[str | int, ...], line: int) -> None:
    assert lines(DOCUMENT)[key] == line


def test_every_key_tomllib_reads_has_a_line_and_no_other() -> None:
    assert set(lines(DOCUMENT)) == _leaves(tomllib.loads(DOCUMENT))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "a=1",
        "a=1\r\nb=2\r\n",
        'a=""""""\nb=1',
        'a=""""x""""\nb=1',
        "a=''''x'''''\nb=1",
        'a="\\"]"\nb=[]',
        'a="""\\"""\\\n  x"""\nb={}',
        '"\\u0061" = 1\nb = 2',
        "a=[]\nb=[[],[[]],]",
        "3.14 = 1\n1979-05-27 = 2",
        "a=[{x=1},\n{x=2}]",
        "a=-inf\nb=+1_000\nc=0xff",
        "'' = 1\n[x.'']\ny=1",
    ],
)
def test_odd_but_valid_texts_are_read_like_tomllib_reads_them(text: str) -> None:
    assert set(lines(text)) == _leaves(tomllib.loads(text))


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        ("a = 1", 0),
        ("[a.b.c]", 2),
        ("a = [[1], {b = [2]}]", 3),
        ("a.b.c = 1\nd.e = 2", 2),
        ("a = '[[[[[ . . . .'", 0),
        ("[" * 1000, 1000),
        ("a." * 1000, 1000),
    ],
)
def test_depth_is_measured_without_parsing(text: str, deep: int) -> None:
    assert depth(text) == deep
