"""The user data of a group as the input `user_data`, which is a shell script of root's.

The module's own script runs it, so a script keeps its interpreter and its behavior only as a file
of its own. Other formats of cloud-init are no script.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from pipeline.core.adoption.model import Gap, Part, RunningGroup

END: Final = "END_OF_ADOPTED_USER_DATA"
MOST_BYTES: Final = 15_000
"""Of the 16 KB that EC2 takes, what the module's own script leaves with certainty."""
_INSTEAD: Final = "runs none: do it in the image, or write a user_data_template"


def user_data(running: RunningGroup) -> Part:
    """Return the user data as a script, or a gap that says why it cannot be one."""
    encoded = running.launch.get("UserData") or ""
    text, problem = _decoded(encoded)
    if problem or not text.strip():
        return Part(values={}, gaps=(_gap(problem),) if problem else ())
    first, _, rest = text.partition("\n")
    if not first.startswith("#!"):
        return Part(values={}, gaps=(_gap(_format(first)),))
    if not rest.strip():
        return Part(values={})
    script = _as_file(first.removeprefix("#!").strip(), text)
    if END in text or len(script.encode()) > MOST_BYTES:
        return Part(values={}, gaps=(_gap(f"a script of {len(text.encode())} bytes"),))
    return Part(values={"user_data": script})


def _gap(group: str) -> Gap:
    return Gap(setting="user data", group=group, release=_INSTEAD)


def _decoded(encoded: str) -> tuple[str, str]:
    """Return the text, or why it is none."""
    try:
        raw = base64.b64decode(encoded)
        return raw.decode().replace("\r\n", "\n"), ""
    except (binascii.Error, ValueError):
        is_gzip = encoded.startswith("H4sI")
        return "", "compressed with gzip" if is_gzip else "no text"


def _format(first: str) -> str:
    """Name a format by its first line (cloud-init docs, "User-data formats")."""
    known = {
        "#cloud-config": "cloud-config",
        "#include": "a list of URLs",
        "#cloud-boothook": "a boothook",
        "## template": "a Jinja template",
        "Content-Type:": "a MIME archive",
        "MIME-Version:": "a MIME archive",
        "<powershell>": "a PowerShell script",
        "<script>": "a Windows script",
    }
    return next((name for start, name in known.items() if first.startswith(start)), "no script")


def _as_file(interpreter: str, text: str) -> str:
    """Return shell commands that run a script as cloud-init does: as a file, by its interpreter."""
    return "\n".join(
        [
            "adopted=$(mktemp)",
            f"cat >\"$adopted\" <<'{END}'",
            text.rstrip("\n"),
            END,
            f'{interpreter} "$adopted"',
            'rm -f "$adopted"',
            "",
        ]
    )
