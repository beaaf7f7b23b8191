"""The scripts in an instance's user data, as cloud-init finds them.

cloud-init, "User data formats": a script begins with `#!`; several parts come as
MIME multi-part; either may be gzipped. `#cloud-config` is not run here, and said so.
"""

from __future__ import annotations

import email
import gzip

GZIP = b"\x1f\x8b"


def parts(raw: bytes) -> tuple[list[bytes], list[str]]:
    """Return the scripts to run in order, and a remark about each part that is none."""
    data = gzip.decompress(raw) if raw.startswith(GZIP) else raw
    scripts: list[bytes] = []
    remarks: list[str] = []
    for part in split(data):
        if part.startswith(b"#!"):
            scripts.append(part)
        elif part.strip():
            first = part.strip().splitlines()[0][:60].decode(errors="replace")
            remarks.append(f"a part of the user data is not a script and was not run: {first}")
    return scripts, remarks


def split(data: bytes) -> list[bytes]:
    """Return the parts of multi-part user data, or the one there is."""
    head = data[:512].lower()
    if not (head.startswith(b"content-type: multipart") or b"\ncontent-type: multipart" in head):
        return [data]
    message = email.message_from_bytes(data)
    leaves = (part for part in message.walk() if not part.is_multipart())
    return [bytes(leaf.get_payload(decode=True) or b"") for leaf in leaves]
