"""The demo's project: a copy of the sample application, and the changes made to it.

The changes are commands and texts as a person types them, so that the output shows what is done.
"""

from __future__ import annotations

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER = "packer/provision/unit/server.py"
UNIT = "packer/provision/unit/app.service"

# What a person adds to the stack's output: after its first line, and at its end. Programs are not
# sped up with the cloud, so grace period and deadline give them time.
SIZES = """\
account = "123456789012"
min_size = 2
max_size = 4
"""
PROMOTE = """\
health_check_grace_period = 1200

[environments.staging.promote]
hooks = [{ at = "before-traffic", command = ["python3", "smoke.py"] }]
keep_previous = "next"     # the previous group stays warm: a rollback takes seconds
deadlines.attach = "3m"    # a group that is not healthy by then is rolled back
"""

SMOKE = """\
# Request the page of every new instance before it gets traffic.
import http.client, os, sys, time

def status(address):
    for _ in range(60):  # the service may still be starting
        try:
            connection = http.client.HTTPConnection(address, 8080, timeout=10)
            connection.request("GET", "/")
            return connection.getresponse().status
        except OSError:
            time.sleep(0.5)
    return "no response"

for address in os.environ["AMI_PIPELINE_ADDRESSES"].split():
    if (found := status(address)) != 200:
        sys.exit(f"{address} answers {found}")
"""

# Three changes of the application, each as the command that makes it.
GREETING = f"""sed -i '/^\\[Service\\]/a Environment="GREETING=hello from 2.0.0"' {UNIT}"""
UNHEALTHY = f"sed -i 's/_answer(503 if .* else 200,/_answer(503,/' {SERVER}"
FAULTY = f"sed -i 's/(503,/(200,/; s/(200, describe/(500, describe/' {SERVER}"


def environment(printed: str, url: str = "") -> str:
    """Return the environment's tables of pipeline.toml, given the output of the stack.

    `url` is what the probe requests, empty for no probe.
    """
    first, rest = printed.replace("NAME", "staging").split("\n", 1)
    probe = f'probe.url = "{url}"  # requests during a deployment, for its report\n' if url else ""
    return f"\n{first}\n{SIZES}{rest}{PROMOTE}{probe}"


def copy_project(folder: Path, terraform: str = "") -> Path:
    """Copy the sample application into a new folder; return the folder.

    `terraform` is the program to name in pipeline.toml, if any.
    """
    ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.auto.tfvars.json")
    for part in ("packer", "terraform"):
        shutil.copytree(REPOSITORY / part, folder / part, ignore=ignored)
    text = (REPOSITORY / "pipeline.toml").read_text()
    text = text[: text.index("[environments.")]
    program = f'[terraform]\nprogram = "{terraform}"\n' if terraform else ""
    (folder / "pipeline.toml").write_text(text + program)
    return folder


def append_command(path: str, text: str) -> str:
    """Return the command that appends a text to a file."""
    return f"cat >>{path} <<'END'\n{text}END"
