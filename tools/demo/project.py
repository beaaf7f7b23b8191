"""The demo's project: a copy of the sample application, and what is changed in it on the way.

The changes are commands and texts as a person types them, so that what is shown is what is done.
"""

from __future__ import annotations

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER = "packer/provision/app/server.py"
UNIT = "packer/provision/app/app.service"

# What a person adds to the lines that the stack prints: after the first, and at the end. Programs
# start no faster than they do, however fast the cloud: the last two give them time.
SIZES = """\
account = "123456789012"
min_size = 2
max_size = 4
"""
PROMOTE = """\
health_check_grace_period = 1200

[environments.staging.promote]
verify = [{ command = ["python3", "smoke.py"] }]
keep_previous = "next"     # the group before stays warm: a rollback takes seconds
deadlines.attach = "3m"    # what the load balancer does not find healthy by then is put back
"""

SMOKE = """\
# Asks every new instance for its page, before any traffic does.
import http.client, os, sys, time

def status(address):
    for _ in range(60):  # it may not listen yet
        try:
            connection = http.client.HTTPConnection(address, 8080, timeout=10)
            connection.request("GET", "/")
            return connection.getresponse().status
        except OSError:
            time.sleep(0.5)
    return "nothing"

for address in os.environ["AMI_PIPELINE_ADDRESSES"].split():
    if (said := status(address)) != 200:
        sys.exit(f"{address} answers {said}")
"""

# Three changes of the application, each the command that makes it.
GREETING = f"""sed -i '/^\\[Service\\]/a Environment="GREETING=hello from 2.0.0"' {UNIT}"""
SICK = f"sed -i 's/_answer(503 if .* else 200,/_answer(503,/' {SERVER}"
FAULTY = f"sed -i 's/(503,/(200,/; s/(200, describe/(500, describe/' {SERVER}"


def environment(printed: str) -> str:
    """Return what pipeline.toml says of the environment, given what the stack prints for it."""
    first, rest = printed.replace("NAME", "staging").split("\n", 1)
    return f"\n{first}\n{SIZES}{rest}{PROMOTE}"


def copied(folder: Path) -> Path:
    """Copy the sample application into a folder to be made; return it."""
    ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.auto.tfvars.json")
    for part in ("packer", "terraform"):
        shutil.copytree(REPOSITORY / part, folder / part, ignore=ignored)
    text = (REPOSITORY / "pipeline.toml").read_text()
    (folder / "pipeline.toml").write_text(text[: text.index("[environments.")])
    return folder


def appended(path: str, text: str) -> str:
    """Return the command that adds a text to a file."""
    return f"cat >>{path} <<'END'\n{text}END"
