"""Mask secret values in everything that the program prints or writes.

Packer before 1.15.1 prints sensitive values unmasked in machine-readable mode
(fixed in hashicorp/packer 97952ced1), and no Packer masks an encoded form. So
this program masks every output, bytes and text alike. It masks a value as it
is, base64-encoded at each of the three alignments that a longer text can give
it, URL-encoded, in hexadecimal, as shells, PowerShell, JSON and markup escape
it (`escapes.py`), and each of these with the escapes of Packer's stream.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote, quote_plus

from pipeline.core.escapes import escaped

MASK = b"***"
SHORTEST = 4
"""The fewest characters of a secret; a shorter one would mask ordinary words."""


def forms(secret: str) -> frozenset[bytes]:
    """Return every form of `secret` that is masked, without parts shorter than `SHORTEST`.

    A secret of several lines is also masked line by line, because programs print lines.
    """
    found = _encodings(secret)
    for line in secret.splitlines():
        found |= _encodings(line)
    found |= {_as_streamed(form) for form in found}
    return frozenset(form for form in found if len(form) >= SHORTEST)


def _encodings(secret: str) -> set[bytes]:
    # Python decodes an environment variable that is not UTF-8 with surrogate characters.
    raw = secret.encode("utf-8", "surrogateescape")
    hexed, quoted = raw.hex(), quote(raw, safe="")
    texts = {
        *escaped(secret),
        hexed,
        hexed.upper(),
        quoted,
        quote(raw),
        quote_plus(raw),
        _lower_escapes(quoted),
    }
    return {text.encode("utf-8", "surrogateescape") for text in texts} | _base64_forms(raw)


def _lower_escapes(quoted: str) -> str:
    """Return the URL-encoded text with `%2f` for `%2F`, as some languages write it."""
    head, *rest = quoted.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])


def _base64_forms(raw: bytes) -> set[bytes]:
    """Return the base64 text common to all texts that contain `raw`, one for each alignment.

    The first and last characters depend on the adjacent bytes, so they are cut off.
    """
    whole = base64.b64encode(raw)
    cores = {whole, whole.rstrip(b"=")}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        start = (0, 2, 3)[shift]
        end = len(encoded) - (1 if (shift + len(raw)) % 3 else 0)
        cores.add(encoded[start:end])
    return cores | {core.replace(b"+", b"-").replace(b"/", b"_") for core in cores}


def _as_streamed(form: bytes) -> bytes:
    """Return the form as Packer's machine-readable mode writes it (packer/ui.go, `Machine`)."""
    return form.replace(b",", b"%!(PACKER_COMMA)").replace(b"\r", b"\\r").replace(b"\n", b"\\n")


def texts(value: object) -> list[str]:
    """Return every text in a variable's value, at any depth of lists and maps."""
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in texts(item)]
    return [str(value)]


class Masker:
    """Replaces the forms of the given secrets; returns at once if there are none."""

    def adding(self, secrets: Iterable[str]) -> Masker:
        """Return a masker of these secrets and those of this one."""
        other = Masker(secrets)
        other._forms = tuple(sorted({*self._forms, *other._forms}, key=len, reverse=True))
        other.longest = max(self.longest, other.longest)
        return other

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found = {form for secret in secrets for form in forms(secret)}
        self._forms = tuple(sorted(found, key=len, reverse=True))
        self.longest = max((len(form) for form in self._forms), default=0)

    def mask(self, data: bytes) -> bytes:
        """Return `data` with every form replaced by `***`, the longest forms first."""
        for form in self._forms:
            if form in data:
                data = data.replace(form, MASK)
        return data

    def text(self, text: str) -> str:
        """Return `text` masked; text that is not UTF-8 keeps its surrogate characters."""
        if not self._forms:
            return text
        return self.mask(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def settled(self, data: bytes) -> int:
        """Return how many of these bytes can be masked now without splitting a secret.

        `data` may end in the beginning of a secret whose rest comes with the next bytes. The
        longest such ending is held back, and any whole secret that overlaps it.
        """
        end = min((self._start_of_beginning(data, form) for form in self._forms), default=len(data))
        while (start := self._start_of_overlap(data, end)) < end:
            end = start
        return end

    @staticmethod
    def _start_of_beginning(data: bytes, form: bytes) -> int:
        """Return where `data` ends in the beginning of `form`; the end of `data` if it does not."""
        start = data.find(form[:1], max(len(data) - len(form) + 1, 0))
        while start >= 0 and not form.startswith(data[start:]):
            start = data.find(form[:1], start + 1)
        return start if start >= 0 else len(data)

    def _start_of_overlap(self, data: bytes, end: int) -> int:
        """Return the start of the first secret that `end` would split, or `end`."""
        starts = (
            data.find(form, max(end - len(form) + 1, 0), end + len(form) - 1)
            for form in self._forms
        )
        return min((start for start in starts if start >= 0), default=end)


class MaskedOutput:
    """A stream of output whose secrets are masked, wherever a chunk ends."""

    def __init__(self, masker: Masker, write: Callable[[bytes], object]) -> None:
        self._masker = masker
        self._write = write
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Write what can be masked now."""
        self._pending.extend(chunk)
        self._pass_on(self._masker.settled(bytes(self._pending)))

    def close(self) -> None:
        """Write the rest."""
        self._pass_on(len(self._pending))

    def _pass_on(self, end: int) -> None:
        if end:
            self._write(self._masker.mask(bytes(self._pending[:end])))
            del self._pending[:end]
