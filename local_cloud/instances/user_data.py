"""Find the scripts in an instance's user data, as cloud-init does.

cloud-init, "User data formats": a script begins with `#!`; several parts come as MIME
multi-part; either may be gzipped. `#cloud-config` is not run; the console says so.
"""

from __future__ import annotations

import base64
import email
import gzip

GZIP = b"\x1f\x8b"


def decoded(user_data: object) -> bytes:
    """Return the bytes of Base64 user data, as the instance reads them; None is empty."""
    return b"" if user_data is None else base64.b64decode(str(user_data))


def parts(raw: bytes) -> tuple[list[bytes], list[str]]:
    """Return the scripts to run, in order, and a warning for each part that is not a script."""
    data = gzip.decompress(raw) if raw.startswith(GZIP) else raw
    scripts: list[bytes] = []
    warnings: list[str] = []
    for part in split(data):
        if part.startswith(b"#!"):
            scripts.append(part)
        elif part.strip():
            first = part.strip().splitlines()[0][:60].decode(errors="replace")
            warnings.append(f"a part of the user data is not a script and was not run: {first}")
    return scripts, warnings


def split(data: bytes) -> list[bytes]:
    """Return the parts of user data, which may be only one."""
    head = data[:512].lower()
    if not (head.startswith(b"content-type: multipart") or b"\ncontent-type: multipart" in head):
        return [data]
    message = email.message_from_bytes(data)
    leaves = (part for part in message.walk() if not part.is_multipart())
    return [bytes(leaf.get_payload(decode=True) or b"") for leaf in leaves]
