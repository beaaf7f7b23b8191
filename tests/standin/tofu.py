"""An OpenTofu stand-in: real Terraform, with the words, files and addresses of OpenTofu 1.12.6.

It says what the captures of OpenTofu say (tests/captures/opentofu-1.12.6): the version event, the
module `tofu.ui`, the total `forget`, the texts, and the registry of providers. It leaves the
files that OpenTofu leaves: the dependency lock, a local state, the folders of providers with a lock
file each. With TF_ENCRYPTION the local state is unreadable without it. `.tofu` files, `destroy` and
a state in S3 are as Terraform has them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

VERSION = "1.12.6"
THEIRS, OURS = "registry.terraform.io", "registry.opentofu.org"
_LOCK, _STATE = ".terraform.lock.hcl", "terraform.tfstate"
_NO_STATE = "No state file was found!"
_UNREADABLE = (
    "Unsupported state file format: This state file is encrypted and can not be read without an "
    "encryption configuration"
)


def main(terraform: str) -> int:
    """Run a command of Terraform as OpenTofu would; return its exit code."""
    words, folder = sys.argv[1:], Path.cwd()
    if words[:1] == ["version"]:
        return print_version(as_json="-json" in words)
    key = os.environ.pop("TF_ENCRYPTION", "")
    if not read_state(folder, key):
        return refuse_state(words)
    if words[:2] == ["state", "replace-provider"]:
        return replace_provider(folder, *words[-2:])
    for_terraform(folder)
    try:
        return run([terraform, *words])
    finally:
        for_opentofu(folder)
        write_state(folder, key)


def print_version(*, as_json: bool) -> int:
    if as_json:
        facts = {"terraform_version": VERSION, "platform": "linux_amd64", "provider_selections": {}}
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    else:
        sys.stdout.write(f"OpenTofu v{VERSION}\non linux_amd64\n")
    return 0


# --- output ---------------------------------------------------------------------------------------


def run(argv: list[str]) -> int:
    """Run Terraform, translate both of its outputs, and pass a SIGINT on."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: child.send_signal(number))
        assert child.stdout
        assert child.stderr
        errors = os.fork()
        if errors == 0:  # a process of its own: a thread would delay the signals
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            copy(child.stderr, sys.stderr.buffer)
            os._exit(0)
        copy(child.stdout, sys.stdout.buffer)
        os.waitpid(errors, 0)
        return child.wait()


def copy(source: IO[bytes], target: IO[bytes]) -> None:
    for line in source:
        target.write(translated(line))
        target.flush()


def translated(line: bytes) -> bytes:
    """Return a line of Terraform in the words of OpenTofu."""
    text = line.decode("utf-8", "replace")
    if text.startswith('{"@'):
        event: dict[str, Any] = json.loads(in_words(text))
        return json.dumps(of_opentofu(event), separators=(",", ":")).encode() + b"\n"
    if text.startswith(_NO_STATE):
        return b"\nError: No state file was found\n"
    return in_words(text).encode()


def in_words(text: str) -> str:
    """Return a text with the names of OpenTofu; keys of JSON and names of files stay."""
    text = text.replace(THEIRS, OURS).replace("Terraform", "OpenTofu")
    return re.sub(
        r"\bterraform (init|plan|apply|providers|state|force-unlock|import)\b", r"tofu \1", text
    )


def of_opentofu(event: dict[str, Any]) -> dict[str, Any]:
    event["@module"] = str(event.get("@module", "")).replace("terraform.ui", "tofu.ui")
    match event.get("type"):
        case "version":
            del event["terraform"]
            event |= {"@message": f"OpenTofu {VERSION}", "tofu": VERSION, "ui": "1.2"}
        case "change_summary":
            counted = event["changes"]
            counted.pop("action_invocation", None)
            event["changes"] = {**counted, "forget": counted.get("forget", 0)}
    return event


# --- files ----------------------------------------------------------------------------------------


def for_terraform(folder: Path) -> None:
    """Give the files that OpenTofu left the addresses of Terraform."""
    exchange(folder, OURS, THEIRS)
    for lock in (folder / f".terraform/providers/{THEIRS}").glob("*/*/*/*.lock"):
        lock.unlink()


def for_opentofu(folder: Path) -> None:
    """Give the files that Terraform left the addresses of OpenTofu."""
    exchange(folder, THEIRS, OURS)
    for package in (folder / f".terraform/providers/{OURS}").glob("*/*/*/*_*"):
        (package.parent / f"{package.name}.lock").touch()


def exchange(folder: Path, before: str, after: str) -> None:
    for name in (_LOCK, _STATE):
        with suppress(FileNotFoundError):
            path = folder / name
            text = path.read_text()
            if before in text:
                path.write_text(text.replace(before, after))
    providers = folder / ".terraform/providers"
    if (providers / before).exists():
        (providers / before).rename(providers / after)


def replace_provider(folder: Path, before: str, after: str) -> int:
    """Replace an address in a local state; the next command of OpenTofu that saves undoes it."""
    path = folder / _STATE
    text = path.read_text()
    path.write_text(text.replace(before, after))
    sys.stdout.write(f"Successfully replaced provider for {text.count(before)} resources.\n")
    return 0


# --- encryption -----------------------------------------------------------------------------------


def read_state(folder: Path, key: str) -> bool:
    """Decrypt a local state in place; return False without its key."""
    path = folder / _STATE
    with suppress(FileNotFoundError, ValueError):
        found = json.loads(path.read_bytes())
        if "encrypted_data" in found:
            if found["meta"]["key"] != hashlib.sha256(key.encode()).hexdigest():
                return False
            path.write_bytes(base64.b64decode(found["encrypted_data"]))
    return True


def write_state(folder: Path, key: str) -> None:
    """Encrypt a local state in place, if there is a key."""
    path = folder / _STATE
    if not key or not path.exists():
        return
    data = path.read_bytes()
    document = {
        "meta": {"key": hashlib.sha256(key.encode()).hexdigest()},
        "encrypted_data": base64.b64encode(data).decode(),
        "encryption_version": "v0",
    }
    path.write_text(json.dumps(document))


def refuse_state(words: list[str]) -> int:
    """Fail as OpenTofu does for a state that it cannot decrypt."""
    if "-json" not in words:
        text = f"Failed to load state: {_UNREADABLE}"
        sys.stderr.write(f"\nError: Error refreshing the state\n\n{text}\n")
        return 1
    head = {"@level": "info", "@message": f"OpenTofu {VERSION}", "@module": "tofu.ui"}
    version = {**head, "tofu": VERSION, "type": "version", "ui": "1.2"}
    detail = f"Error message: failed to write backup file: {_UNREADABLE}"
    told = {"severity": "error", "summary": "Error acquiring the state lock", "detail": detail}
    error = {**head, "@level": "error", "diagnostic": told, "type": "diagnostic"}
    sys.stdout.writelines(f"{json.dumps(each)}\n" for each in (version, error))
    return 1
