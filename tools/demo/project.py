"""The demo's project: a copy of the sample application, and what is changed in it on the way.

The changes are commands and texts as a person types them, so that what is shown is what is done.
"""

from __future__ import annotations

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER = "packer/provision/app/server.py"
UNIT = "packer/provision/app/app.service"

# The instances' Python starts no faster than it does, however fast the cloud: what is shorter than
# that at AWS's own speed is longer here.
ENVIRONMENT = """
[environments.staging]
min_size = 2
max_size = 4
{key} = ["web-staging"]

[environments.staging.promote]
keep_previous = "next"     # the group before stays warm: a rollback takes seconds
deadlines.attach = "4m"    # what is not healthy by then is put back

"""
GRACE = "health_check_grace_period = 1200"

SMOKE = """\
import os, sys, urllib.error, urllib.request

direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for address in os.environ["AMI_PIPELINE_ADDRESSES"].split():
    try:
        direct.open(f"http://{address}:8080/", timeout=10)
    except urllib.error.HTTPError as error:
        sys.exit(f"{address} answers {error.code}")
"""
VERIFY = """
[[environments.staging.promote.verify]]
command = ["python3", "smoke.py"]
"""


# Three changes of the application, each the command that makes it.
GREETING = f"""sed -i '/^\\[Service\\]/a Environment="GREETING=hello from 2.0.0"' {UNIT}"""
MISSING = f"sed -i 's/^import json$/&\\nimport billing/' {SERVER}"
FAULTY = f"sed -i '/^import billing$/d; s/_answer(200, describe/_answer(500, describe/' {SERVER}"


def environment(balancer: str) -> str:
    """Return what pipeline.toml says of the environment."""
    key = {"classic": "load_balancers", "alb": "target_groups"}[balancer]
    return ENVIRONMENT.format(key=key)


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
