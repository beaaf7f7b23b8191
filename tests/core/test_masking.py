from __future__ import annotations

import base64
import json
import random
import re
import shlex
from urllib.parse import quote, quote_plus

import pytest

from pipeline.core.masking import Masker, forms

SECRET = "pa/ss+wörd, 'quoted' \"twice\" é?=&"
PLAIN = "hunter2-swordfish"


def as_streamed(text: str) -> str:
    return text.replace(",", "%!(PACKER_COMMA)").replace("\r", "\\r").replace("\n", "\\n")


ENCODINGS = {
    "as it is": lambda secret: secret,
    "hexadecimal": lambda secret: secret.encode().hex(),
    "hexadecimal in capitals": lambda secret: secret.encode().hex().upper(),
    "URL": lambda secret: quote(secret, safe=""),
    "URL with slashes": quote,
    "URL form": quote_plus,
    "URL with lower escapes": lambda secret: "%".join(
        [quote(secret, safe="").split("%")[0]]
        + [part[:2].lower() + part[2:] for part in quote(secret, safe="").split("%")[1:]]
    ),
    "JSON": json.dumps,
    "JSON in UTF-8": lambda secret: json.dumps(secret, ensure_ascii=False),
    "shell": shlex.quote,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
}


@pytest.mark.parametrize("secret", [SECRET, PLAIN])
@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_every_form_is_masked_within_other_text(secret: str, encode: object) -> None:
    assert callable(encode)
    shown = encode(secret)
    masked = Masker([secret]).text(f"before {shown} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert "***" in masked
    assert shown.strip("'\"") not in masked


@pytest.mark.parametrize("secret", [SECRET, PLAIN])
@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_every_form_is_masked_as_the_stream_escapes_it(secret: str, encode: object) -> None:
    assert callable(encode)
    shown = as_streamed(encode(secret))
    masked = Masker([secret]).mask(f"1,,ui,say,{shown}\n".encode())
    assert shown.strip("'\"").encode() not in masked
    assert masked.startswith(b"1,,ui,say,")


# What bash 5.2, dash, PowerShell 7, Python and Go really print, the secret between « and ».
PRINTED = [
    ("k$eyABC123", r"«k\$eyABC123»"),
    ("k$eyABC123", r'declare -x TOKEN="«k\$eyABC123»"'),
    ("k$eyABC123", "+ : '«k$eyABC123»'"),
    ("k$eyABC123", "«K$EYABC123»"),
    ("it's$9x", r"«it\'s\$9x»"),
    ("it's$9x", r"""declare -- TOKEN="«it's\$9x»" """),
    ("it's$9x", r"+ : '«it'\''s$9x»'"),
    ("it's$9x", """export TOKEN='«it'"'"'s$9x»'"""),
    ("it's$9x", "$env:TOKEN = '«it''s$9x»'"),
    ("it's$9x", '"«it\'s`$9x»"'),
    ("it's$9x", "«it&#39;s$9x»"),
    ("it's$9x", "«it&apos;s$9x»"),
    ("it's$9x", "«it&#x27;s$9x»"),
    ("it's$9x", r"«it\u0027s$9x»"),
    ("it's$9x", r"«it's\$9x»"),
    (r'a"b\c`d e', r"«a\"b\\c\`d\ e»"),
    (r'a"b\c`d e', r'TOKEN="«a\"b\\c\`d e»"'),
    (r'a"b\c`d e', r'"«a`"b\c``d e»"'),
    (r'a"b\c`d e', r'"{\"x\": \"«a\\\"b\\\\c`d e»\"}"'),
    ("two\tTab!x", r"$'«two\tTab!x»'"),
    ("pa#s~w%{}[x]*?&|;<>()^=,y", r"«pa#s~w%\{\}\[x\]\*\?\&\|\;\<\>\(\)\^=\,y»"),
    ("pa#s~w%{}[x]*?&|;<>()^=,y", r"«pa#s~w%{}[x]*?\u0026|;\u003c\u003e()^=,y»"),
    ("#hash tag", r"«\#hash\ tag»"),
    ("a/b/c/d/e", r"«a\/b\/c\/d\/e»"),
]


@pytest.mark.parametrize(("secret", "printed"), PRINTED)
def test_what_shells_and_programs_print_is_masked(secret: str, printed: str) -> None:
    before, form, after = re.split("[«»]", printed)
    for around in ("", "word"):
        text = f"{around}{before}{form}{after}{around}"
        masked = Masker([secret]).text(text)
        assert masked == f"{around}{before}***{after}{around}"
        streamed = Masker([secret]).text(as_streamed(text))
        assert streamed == as_streamed(masked)


def test_a_short_secret_is_not_masked_in_another_case() -> None:
    assert Masker(["Main"]).text("main MAIN Main") == "main MAIN ***"


@pytest.mark.parametrize("before", ["", "u", "us", "user", "user:"])
@pytest.mark.parametrize("after", ["", "!", "\n", "@host", "@host/"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_of_a_longer_text_reveals_no_part_of_the_secret(
    before: str, after: str, encode: object
) -> None:
    assert callable(encode)
    encoded = encode(f"{before}{SECRET}{after}".encode()).decode()
    masked = Masker([SECRET]).text(encoded)
    assert "***" in masked
    rest = masked.split("***")
    # The rest is the adjacent text and at most two characters that share bits with the secret.
    assert len("".join(rest)) <= len(base64.b64encode(f"{before}{after}".encode())) + 4


def test_a_secret_of_several_lines_is_masked_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7\r\nq9fTz0l3Zw==\n-----END KEY-----\n"
    masker = Masker([key])
    assert masker.text("q9fTz0l3Zw==") == "***"
    assert masker.text("x MIIEpAIBAAKCAQEA7 x") == "x *** x"
    assert masker.text(as_streamed(key)) == "***"
    assert masker.text(json.dumps(key)) == '"***"'


def test_a_short_line_of_a_secret_is_not_masked() -> None:
    assert all(len(form) >= 4 for form in forms("abcdefgh\nno\n}\n"))
    assert Masker(["abcdefgh\nno\n}\n"]).text("no } no") == "no } no"


@pytest.mark.parametrize(
    "text",
    [
        "Provisioning with shell script: /tmp/packer-shell171606666",
        "1,,ui,say,==> app: Creating AMI web%!(PACKER_COMMA) really",
        "hunter-2 swordfish Hunter2-Swordfish",
        "aHVudGVy",
        "",
        "a ümlaut and \udcff",
    ],
)
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert Masker([PLAIN]).text(text) == text


def test_without_secrets_nothing_is_masked_or_held_back() -> None:
    masker = Masker()
    assert masker.mask(b"anything") == b"anything"
    assert masker.text("anything") == "anything"
    assert masker.settled(b"anything") == 8
    assert masker.longest == 0


def test_the_longer_of_two_nested_secrets_is_masked_first() -> None:
    assert Masker(["token", "token-and-more"]).text("a token-and-more b") == "a *** b"


@pytest.mark.parametrize(
    ("data", "settled"),
    [
        (b"nothing of it", 13),
        (b"text hunter2", 5),
        (b"text h", 5),
        (b"text hunter2-swordfish", 5),
        (b"text hunter2-swordfish and more", 31),
        (b"hunter2-swordfis", 0),
        (b"", 0),
    ],
)
def test_the_beginning_of_a_secret_is_held_back(data: bytes, settled: int) -> None:
    masker = Masker([PLAIN])
    # The encoded forms begin with other letters, so only the plain form matters here.
    assert masker.settled(data) == settled


def in_pieces(masker: Masker, data: bytes, sizes: random.Random) -> bytes:
    """Mask pieces as a reader of a pipe does: write the settled bytes, keep the rest."""
    out, waiting = b"", b""
    while data:
        size = sizes.randint(1, 12)
        waiting, data = waiting + data[:size], data[size:]
        end = masker.settled(waiting)
        out, waiting = out + masker.mask(waiting[:end]), waiting[end:]
    return out + masker.mask(waiting)


@pytest.mark.parametrize("seed", range(40))
def test_no_split_of_the_stream_reveals_a_secret(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seeded one, to repeat a failure
    letters = "abX/"
    secrets = ["".join(chance.choices(letters, k=chance.randint(4, 9))) for _ in range(3)]
    masker = Masker(secrets)
    for _ in range(25):
        words = [
            chance.choice([*secrets, "".join(chance.choices(letters, k=3)), " "]) for _ in range(12)
        ]
        data = "".join(words).encode()
        masked = in_pieces(masker, data, chance)
        for secret in secrets:
            assert secret.encode() not in masked, (secrets, data, masked)


def test_overlapping_secrets_are_held_back_together() -> None:
    masker = Masker(["xxxxab", "abcd"])
    assert masker.settled(b"-- xxxxab") == 3


def test_a_secret_that_is_not_utf8_is_masked_as_bytes() -> None:
    secret = b"pass\xffword".decode("utf-8", "surrogateescape")
    assert Masker([secret]).mask(b"a pass\xffword b") == b"a *** b"
