"""One AWS provider for many Terraform commands.

A Terraform command spends most of its time starting the provider. The provider's developer mode
(`-debug`, `TF_REATTACH_PROVIDERS`) lets many commands use one process. Use it for tests that run
real Terraform often.
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
    """Run the provider that `terraform init` installed in a folder; yield the environment to use
    it.

    The provider reads the AWS variables of its own environment, not those of the command.
    """
    providers = folder / ".terraform/providers"
    program = next(providers.glob("*/*/*/*/*/terraform-provider-aws*"))
    words, quiet = [str(program), "-debug"], subprocess.DEVNULL
    # It may be configured only once with AWS_CA_BUNDLE, which the endpoint does not need.
    own = {name: value for name, value in env.items() if name != "AWS_CA_BUNDLE"}
    with subprocess.Popen(
        words, env=own, stdout=subprocess.PIPE, stderr=quiet, text=True
    ) as running:
        try:
            assert running.stdout
            said = (line.strip() for line in running.stdout)
            where = next(line for line in said if line.startswith(f"{ATTACHED}="))
            yield {**env, ATTACHED: where.removeprefix(f"{ATTACHED}=").strip("'")}
        finally:
            running.terminate()
