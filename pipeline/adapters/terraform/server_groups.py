"""Makes a fleet true: guarded plans, their application, and the adoption of orphans.

One root module for each environment (`root_module`), in which only the map of releases
changes. `terraform` knows the command lines, `core.guard` what a plan may hold.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.files.atomic import write_atomically
from pipeline.adapters.terraform.background_plan import BackgroundPlanner, PlanRequest
from pipeline.adapters.terraform.init_cache import is_initialised, note_initialised
from pipeline.adapters.terraform.orphans import Found, find, require_ours
from pipeline.adapters.terraform.root_module import (
    RELEASES_FILE,
    releases_document,
    shipped_module,
    write_root,
)
from pipeline.adapters.terraform.state_lock import StateLock
from pipeline.adapters.terraform.stream import Said, last_lines
from pipeline.adapters.terraform.terraform import Terraform
from pipeline.core.errors import FailedError, PipelineError, RefusedError
from pipeline.core.events import Message
from pipeline.core.state.release import Release
from pipeline.core.terraform.module_contract import breaks_contract, refusal
from pipeline.core.terraform.plan_guard import (
    KINDS,
    Plan,
    adoption_breaches,
    breaches,
    kind_of,
    releases_of,
)
from pipeline.core.terraform.root_module import Diagnostic, Root

IMPORTS_FILE = "imports.tf.json"
_PLANS = "planned-*.tfplan"
_LOCKED = "Error acquiring the state lock"
_LOCK_ID = re.compile(r"^\s*ID:\s+([0-9a-f-]{36})", re.MULTILINE)


@dataclass(kw_only=True)
class TerraformResources:
    """The server groups of one environment; `limit` is the longest an apply may take, seconds.

    One call at a time. What is prepared runs in a thread: a plan changes the root module's folder
    and nothing else.
    `settle` is called before the state is looked at: a run that died may have left its Terraform.
    `lock` is taken for what Terraform would lock the state for; without one, it does so itself.
    """

    terraform: Terraform
    root: Root
    clients: Clients
    limit: float = 7200.0
    settle: Callable[[], None] = lambda: None
    lock: StateLock | None = None
    _before: bytes | None = field(default=None, init=False)
    _ahead: BackgroundPlanner = field(init=False)

    def __post_init__(self) -> None:
        """Let plans be made ahead."""
        self._ahead = BackgroundPlanner(make=self._plan, forget=self.discard)

    def prepare(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> None:
        """Begin to plan beside whatever the caller does; `plan` of the same takes it over."""
        self._ahead.begin(PlanRequest(wanted=tuple(wanted), creates=creates, deletes=deletes))

    def forget(self) -> None:
        """Forget what was prepared and not asked for, once it has ended."""
        self._ahead.drop()

    def plan(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> Plan:
        """Plan exactly these releases; refuse a plan that does more than these creates, deletes.

        Raises RefusedError with what else it would do, ConfigurationError where the module
        breaks its contract; nothing was changed then. Raises KeyboardInterrupt where a
        signal came.
        """
        question = PlanRequest(wanted=tuple(wanted), creates=creates, deletes=deletes)
        return self._ahead.take(question) or self._plan(question)

    def _plan(self, question: PlanRequest) -> Plan:
        wanted, creates, deletes = question.wanted, question.creates, question.deletes
        standing = () if deletes else [each for each in wanted if each.name not in creates]
        self._before = _text(releases_document(standing)) if standing else self._releases()
        try:
            self._prepare(wanted)
            with self._planned() as (file, said):
                changes = said.planned
                found = breaches((*changes, *said.standing), creates=creates, deletes=deletes)
                self._require(found, said)
        except BaseException:
            self._put_back()
            raise
        # What is to be deleted may be gone and in the state still, where a Terraform was killed
        # between the two: nothing is to be done then, and the state learns of it by an apply.
        kept = bool(changes or deletes)
        if not kept:
            file.unlink()
        return Plan(file=file if kept else None, changes=changes, summary=said.summary)

    def discard(self, plan: Plan) -> None:
        """Forget the plan that was made last: its releases are not what stands."""
        if plan.file:
            plan.file.unlink(missing_ok=True)
        self._put_back()

    def apply(self, plan: Plan) -> None:
        """Apply a plan as it was saved, once; raises FailedError with Terraform's words.

        Raises KeyboardInterrupt where a signal came: the state is saved, and what was begun
        may be tainted or, rarely, not in it; `adopt` mends that.
        """
        self.forget()
        if plan.file is None:
            return
        if not plan.file.exists():
            what = f"the plan {plan.file.name} is gone: applied, or another was made since"
            raise FailedError(
                f"terraform apply of {self._name}", what, f"{self._in_folder} && terraform plan"
            )
        try:
            with self._locked("OperationTypeApply", FailedError) as locks:
                said = self.terraform.apply(
                    self.root.folder, plan.file, timeout=self.limit, locks=locks
                )
        finally:
            plan.file.unlink(missing_ok=True)
        if said.errors:
            raise self._not_applied(said)

    def adopt(self, wanted: Sequence[Release]) -> None:
        """Bring what exists under these releases' names but not in the state into the state.

        Nothing is created or deleted: what else is missing is for the next plan. Raises
        RefusedError where something with such a name is not ours, or where its address in a
        module is not known.
        """
        self.forget()
        self._prepare(wanted)
        known = self.terraform.state(self.root.folder)
        orphans = self._orphans(wanted, known)
        if not orphans:
            return
        imports = {self._address(each, known): each.id for each in orphans}
        for each in orphans:
            self._report(f"terraform: adopting {each.kind} {each.name}")
        with self._importing(imports), self._planned(tuple(imports)) as (file, said):
            self._require(adoption_breaches(said.planned, frozenset(imports)), said)
            self.apply(Plan(file=file, changes=said.planned, summary=said.summary))

    # --- the folder ---------------------------------------------------------------------------

    def _prepare(self, wanted: Sequence[Release]) -> None:
        """Write the root module; have it initialised where something changed that matters to it."""
        folder = self.root.folder
        self.settle()
        write_root(self.root)
        self._write(RELEASES_FILE, releases_document(wanted))
        # What a killed run left: neither may be part of what comes.
        for left in (folder / IMPORTS_FILE, *folder.glob(_PLANS)):
            left.unlink(missing_ok=True)
        program = self.terraform.program()
        if is_initialised(folder, program):
            return
        if found := self.terraform.init(folder, backend=True):
            raise self._refused("init", found)
        note_initialised(folder, program)

    def _releases(self) -> bytes | None:
        path = self.root.folder / RELEASES_FILE
        return path.read_bytes() if path.exists() else None

    def _put_back(self) -> None:
        """Let the folder say what stands again, for whoever runs Terraform there by hand.

        Raises nothing: it follows something that went wrong, and that is what is to be told.
        """
        path = self.root.folder / RELEASES_FILE
        try:
            if self._before is None:
                path.unlink(missing_ok=True)
            else:
                write_atomically(path, self._before)
        except OSError as error:
            why = error.strerror or str(error)
            self._report(f"{path}: {why}: it holds a plan that was given up, until the next run")

    def _write(self, name: str, document: Mapping[str, object]) -> None:
        path = self.root.folder / name
        try:
            write_atomically(path, _text(document))
        except OSError as error:
            raise RefusedError(
                f"the root module {self.root.folder}",
                error.strerror or str(error),
                f"make room there, and {name} writable for you",
            ) from error

    @contextmanager
    def _planned(self, targets: Sequence[str] = ()) -> Iterator[tuple[Path, Said]]:
        """Plan into a new file, which stays only where the block ends well."""
        # A new name each time: an older plan cannot be applied as if it were this one.
        file = self.root.folder / _PLANS.replace("*", secrets.token_hex(4))
        try:
            with self._locked("OperationTypePlan", RefusedError) as locks:
                said = self.terraform.plan(self.root.folder, file, targets, locks=locks)
            yield file, said
        except BaseException:
            file.unlink(missing_ok=True)
            raise

    @contextmanager
    def _locked(self, operation: str, raising: type[PipelineError]) -> Iterator[bool]:
        """Hold the lock for a block, if we do that; tell whether Terraform is to."""
        if self.lock is None:
            yield True
            return
        with self.lock.held(operation, raising):
            yield False

    @contextmanager
    def _importing(self, imports: Mapping[str, str]) -> Iterator[None]:
        blocks = [{"to": address, "id": name} for address, name in imports.items()]
        self._write(IMPORTS_FILE, {"import": blocks})
        try:
            yield
        finally:
            (self.root.folder / IMPORTS_FILE).unlink(missing_ok=True)

    # --- orphans ------------------------------------------------------------------------------

    def _orphans(self, wanted: Sequence[Release], known: Sequence[str]) -> tuple[Found, ...]:
        held = {(kind_of(each), release) for each in known for release in releases_of(each)}
        incomplete = [
            each for each in wanted if any((kind, each.name) not in held for kind in KINDS)
        ]
        found = find(self.clients, self.root, incomplete)
        orphans = tuple(each for each in found if (each.kind, each.release) not in held)
        releases = {each.name: each for each in wanted}
        for each in orphans:
            require_ours(self.root, each, releases[each.release])
        return orphans

    def _address(self, orphan: Found, known: Sequence[str]) -> str:
        """Return where the module has an orphan: ours as we know it, another's as its like."""
        if self.root.module == shipped_module():
            return f'module.release.{orphan.kind}.this["{orphan.release}"]'
        for address in known:
            like = next((f'["{name}"]' for name in releases_of(address)), "no release")
            if kind_of(address) == orphan.kind and like in address:
                return address.replace(like, f'["{orphan.release}"]')
        by_hand = f"terraform import 'ADDRESS[\"{orphan.release}\"]' {orphan.id}"
        raise RefusedError(
            f"adopting {orphan.kind} {orphan.name}",
            "exists and is not in Terraform's state, and no other release in the state tells "
            f"its address in {self.root.module}",
            f"{self._in_folder} && {by_hand}",
        )

    # --- words --------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return f"{self.root.app}/{self.root.environment}"

    @property
    def _in_folder(self) -> str:
        return f"cd {quote(str(self.root.folder))}"

    def _report(self, text: str) -> None:
        self.terraform.report(Message(text=text))

    def _require(self, found: Iterable[str], said: Said) -> None:
        if said.errors:
            raise self._refused("plan", said.errors)
        lines = list(found)
        if not lines and not said.complete:
            lines = [f"not all of the plan could be read: {said.summary or 'there is no summary'}"]
        if lines:
            raise RefusedError(
                f"terraform plan of {self._name}",
                "\n".join(lines),
                f"{self._in_folder} && terraform plan",
            )

    def _refused(self, verb: str, errors: Sequence[Diagnostic]) -> PipelineError:
        """Return the error of a root module that Terraform would not initialise or plan."""
        if any(map(breaks_contract, errors)):
            return refusal(self.root, verb, errors)
        return RefusedError(
            f"terraform {verb} of {self._name}",
            last_lines(errors),
            self._unlock(errors) or f"{self._in_folder} && terraform {verb}",
        )

    def _not_applied(self, said: Said) -> FailedError:
        remedy = self._unlock(said.errors) or f"read {self.terraform.log}"
        if (self.root.folder / "errored.tfstate").exists():
            remedy = f"{self._in_folder} && terraform state push errored.tfstate"
        return FailedError(f"terraform apply of {self._name}", said.last_lines, remedy)

    def _unlock(self, errors: Iterable[Diagnostic]) -> str:
        """Return what to do about a locked state; a killed run leaves its lock in S3 for ever."""
        for error in errors:
            if error.summary == _LOCKED and (found := _LOCK_ID.search(error.detail)):
                return (
                    "wait for whoever holds it; if that run is dead: "
                    f"{self._in_folder} && terraform force-unlock -force {found[1]}"
                )
        return ""


def _text(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, indent=2).encode() + b"\n"
