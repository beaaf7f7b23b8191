"""Find the next step for a state that OpenTofu has encrypted, and hide its passphrases.

OpenTofu encrypts by the variable TF_ENCRYPTION (its docs, "State and Plan Encryption"). Only a
root module may have an `encryption` block, and the pipeline writes the root module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipeline.core.terraform.program import ENCRYPTION, OPENTOFU, TERRAFORM, Program

_PASSPHRASE = re.compile(r'\b(?:passphrase|key)"?\s*[=:]\s*"((?:[^"\\]|\\.)+)"')
_NO_KEY = re.compile("is encrypted and can not be read without an encryption configuration")
_OTHER_KEY = re.compile("decryption failed for all provided methods")
_NOT_ENCRYPTED = re.compile(
    "encountered unencrypted payload without unencrypted method"
    "|decrypted payload provided without fallback"
)
_UNREADABLE = re.compile("Unsupported state file format")
_SHORTEST = 8


def passphrases(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the passphrases in TF_ENCRYPTION, which must not be printed; HCL or JSON."""
    found = _PASSPHRASE.findall(environ.get(ENCRYPTION, ""))
    return tuple(each for each in found if len(each) >= _SHORTEST)


def encryption_remedy(text: str, program: Program) -> str:
    """Return the next step if an error is about an encrypted state; empty for another error."""
    line = " ".join(text.replace("| ", "").split())
    if _NO_KEY.search(line):
        return f"set {ENCRYPTION} to the configuration that encrypted the state, then try again"
    if _OTHER_KEY.search(line):
        return (
            f"correct {ENCRYPTION}: its key did not encrypt the state, or the state was changed "
            "since; for a new key, keep the old one as fallback"
        )
    if _NOT_ENCRYPTED.search(line):
        return (
            f"the state is not encrypted yet: add to {ENCRYPTION} method "
            '"unencrypted" "migrate" {} and, in its state block, '
            "fallback { method = method.unencrypted.migrate }; remove both after the next promotion"
        )
    if program.product is TERRAFORM and _UNREADABLE.search(line):
        return (
            f"if {OPENTOFU.name} encrypted the state: set program = "
            f'"{OPENTOFU.command}" below [terraform] and {ENCRYPTION}, then try again'
        )
    return ""
