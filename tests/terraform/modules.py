"""Real Terraform on copies of the shipped modules; use it for tests of the modules themselves."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".terraform*", "*.tfstate*")


@dataclass(frozen=True, kw_only=True)
class Terraform:
    """The modules in a folder of their own, and how to run Terraform there."""

    folder: Path
    env: dict[str, str] = field(repr=False)

    def run(self, where: str, *words: str, code: int = 0) -> str:
        """Run a command that must exit with `code`; return its output."""
        said = subprocess.run(
            ["terraform", f"-chdir={where}", *words],  # noqa: S607  as a user's shell finds it
            cwd=self.folder,
            env={**self.env, "TF_IN_AUTOMATION": "1", "TF_CLI_ARGS": "-no-color"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == code, said.stdout + said.stderr
        return said.stdout

    def plan(self, where: str, *words: str) -> dict[str, str]:
        """Plan with these options; return the planned actions by address."""
        said = self.run(where, "plan", "-json", "-input=false", "-out=planned.tfplan", *words)
        lines = [json.loads(line) for line in said.splitlines()]
        changes = [line["change"] for line in lines if line["type"] == "planned_change"]
        return {each["resource"]["addr"]: each["action"] for each in changes}
