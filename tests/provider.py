"""One AWS provider for many commands of Terraform.

A command spends most of its time starting the provider. The provider's own way for
developers (`-debug`, `TF_REATTACH_PROVIDERS`) lets many commands use one process.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ATTACHED = "TF_REATTACH_PROVIDERS"


@contextlib.contextmanager
def started(folder: Path, env: dict[str, str]) -> Iterator[dict[str, str]]:
    """Run the provider that `terraform init` put into a folder; yield the environment to use it.

    The provider obeys the AWS variables of its own environment, not those of the command.
    """
    providers = folder / ".terraform/providers"
    program = next(providers.glob("*/*/*/*/*/terraform-provider-aws*"))
    words, quiet = [str(program), "-debug"], subprocess.DEVNULL
    with subprocess.Popen(
        words, env=env, stdout=subprocess.PIPE, stderr=quiet, text=True
    ) as running:
        try:
            assert running.stdout
            said = (line.strip() for line in running.stdout)
            where = next(line for line in said if line.startswith(f"{ATTACHED}="))
            yield {**env, ATTACHED: where.removeprefix(f"{ATTACHED}=").strip("'")}
        finally:
            running.terminate()
