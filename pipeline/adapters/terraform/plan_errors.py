"""Turn what Terraform rejects, and what the guard rejects of its plans, into errors.

A refused plan is read again for its attributes (`terraform show`), because the stream of
`plan -json` does not have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.adapters.terraform.root_module import shipped_module
from pipeline.adapters.terraform.stream import RunOutput, last_lines
from pipeline.adapters.terraform.terraform import Terraform
from pipeline.core import commands
from pipeline.core.errors import FailedError, PipelineError, RefusedError
from pipeline.core.terraform.encryption import encryption_remedy
from pipeline.core.terraform.module_contract import breaks_contract, refusal
from pipeline.core.terraform.module_rules import IGNORE, Violation, add_lines, resets
from pipeline.core.terraform.plan_document import (
    PlannedResource,
    read_resources,
    with_attributes,
)
from pipeline.core.terraform.plan_guard import GROUP
from pipeline.core.terraform.program import OPENTOFU, TERRAFORM, replace_provider
from pipeline.core.terraform.root_module import Diagnostic, Root

_LOCKED = "Error acquiring the state lock"
_EXCLUDED = re.compile(
    "does not match configured version constraint|is no longer available|newer provider version"
)
_LOCK_ID = re.compile(r"^\s*ID:\s+([0-9a-f-]{36})", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class PlanErrors:
    """The errors of one root module, each with its remedy."""

    terraform: Terraform
    root: Root

    @property
    def name(self) -> str:
        """The environment, as messages name it."""
        return f"{self.root.app}/{self.root.environment}"

    def by_hand(self, *words: str) -> str:
        """Return a command of the program that runs in the root module."""
        return commands.in_folder(self.root.folder, self.terraform.program().command, *words)

    def import_by_hand(self, imports: Mapping[str, str]) -> str:
        """Return the remedy for a lost state: imports by address and ID; empty without any.

        The apply writes what only the provider knows, such as `force_delete`, into the state.
        """
        if not imports:
            return ""
        first, *more = (("import", address, id_) for address, id_ in imports.items())
        rest = (commands.shell("terraform", *words) for words in [*more, ("apply",)])
        return (
            "restore Terraform's state, which lacks what exists in AWS; or import it: "
            f"{' && '.join([self.by_hand(*first), *rest])}"
        )

    def require(
        self, file: Path, found: Iterable[str], output: RunOutput, remedy: str = ""
    ) -> None:
        """Raise the errors of a plan, or its breaches with the attributes that it changes."""
        if output.errors:
            raise self.refused("plan", output.errors)
        if lines := [*found, *output.breaches]:
            changed = self._changed(file, output)
            raise RefusedError(
                f"{self.terraform.name} plan of {self.name}",
                "\n".join(with_attributes(lines, changed)),
                self._ignore(changed) or remedy or self.by_hand("plan"),
            )

    def _changed(self, file: Path, output: RunOutput) -> tuple[PlannedResource, ...]:
        """Return the resources that a plan changes in place or replaces; none if it is unreadable.

        The refusal is what matters: an error here must not hide it.
        """
        if not {each.action for each in output.planned} & {"update", "replace"}:
            return ()
        with suppress(PipelineError):
            resources = read_resources(self.terraform.show(self.root.folder, file))
            return tuple(each for each in resources if each.changes_in_place)
        return ()

    def _ignore(self, changed: Iterable[PlannedResource]) -> str:
        """Return the remedy for a module that would reset what the pipeline has set."""
        groups = [each for each in changed if each.kind == GROUP and resets(each)]
        if not groups or self.root.module == shipped_module():
            return ""
        return add_lines(self.root, [Violation(where=groups[0].name, what="", lines=IGNORE)])

    def refused(self, verb: str, errors: Sequence[Diagnostic]) -> PipelineError:
        """Return the error of a root module that Terraform could not initialize or plan."""
        if any(map(breaks_contract, errors)):
            return refusal(self.root, verb, errors, self.terraform.program())
        return RefusedError(
            f"{self.terraform.name} {verb} of {self.name}",
            last_lines(errors),
            self._cause(errors) or self.by_hand(*verb.split()),
        )

    def _cause(self, errors: Sequence[Diagnostic]) -> str:
        """Return the remedy for a known cause; empty for another one."""
        text = " ".join(f"{error.summary} {error.detail}" for error in errors)
        program = self.terraform.program()
        if encrypted := encryption_remedy(text, program):
            return encrypted
        if program.product is TERRAFORM and f"{OPENTOFU.registry}/" in text:
            return f"{OPENTOFU.name} wrote the state: {replace_provider(self.root.folder, text)}"
        return self._unlock(errors) or self._change_version(errors)

    def _change_version(self, errors: Iterable[Diagnostic]) -> str:
        """Return the remedy for provider versions that the state or the configuration excludes."""
        texts = [f"{error.summary} {error.detail}" for error in errors]
        if any(_EXCLUDED.search(" ".join(text.split())) for text in texts):
            command = commands.upgrade_providers(self.root.environment)
            return f"plan with the versions that the configuration allows: {command}"
        return ""

    def of_apply(self, output: RunOutput) -> FailedError:
        """Return the error of a failed apply."""
        remedy = self._cause(output.errors) or f"read {self.terraform.log}"
        if (self.root.folder / "errored.tfstate").exists():
            remedy = self.by_hand("state", "push", "errored.tfstate")
        return FailedError(f"{self.terraform.name} apply of {self.name}", output.last_lines, remedy)

    def _unlock(self, errors: Iterable[Diagnostic]) -> str:
        """Return the remedy for a locked state; a killed run leaves its lock in S3 forever."""
        for error in errors:
            if error.summary == _LOCKED and (found := _LOCK_ID.search(error.detail)):
                unlock = self.by_hand("force-unlock", "-force", found[1])
                return f"wait for the holder of the lock; if that run has died: {unlock}"
        return ""
