"""Create and delete server groups with Terraform: checked plans, applies, imports of orphans.

Each environment has one root module (`root_module`), in which only the map of releases changes.
`terraform` has the command lines, `core.terraform.plan_guard` the rules for a plan.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.files.atomic import write_atomically
from pipeline.adapters.terraform.background_plan import BackgroundPlanner, PlanRequest
from pipeline.adapters.terraform.contract_check import ContractCheck
from pipeline.adapters.terraform.initialization import Initialization
from pipeline.adapters.terraform.orphans import Orphan, find, require_ours
from pipeline.adapters.terraform.plan_errors import PlanErrors
from pipeline.adapters.terraform.provider.shared import SharedProvider
from pipeline.adapters.terraform.provider_locks import ProviderLocks
from pipeline.adapters.terraform.root_module import (
    RELEASES_FILE,
    releases_document,
    shipped_module,
    write_root,
)
from pipeline.adapters.terraform.state_lock import StateLock
from pipeline.adapters.terraform.stream import RunOutput
from pipeline.adapters.terraform.terraform import Terraform
from pipeline.core.errors import FailedError, PipelineError, RefusedError
from pipeline.core.events import Message
from pipeline.core.state.release import Release
from pipeline.core.terraform.plan_guard import (
    KINDS,
    Change,
    Plan,
    adoption_breaches,
    breaches,
    kind_of,
    releases_of,
)
from pipeline.core.terraform.provider_lock import ProviderUpgrade
from pipeline.core.terraform.root_module import Diagnostic, Root

IMPORTS_FILE = "imports.tf.json"
_PLANS = "planned-*.tfplan"


@dataclass(kw_only=True)
class TerraformResources:
    """The server groups of one environment; an apply may take `limit` seconds.

    Only one call runs at a time. A prepared plan runs in a thread: it changes only the root
    module's folder. `settle` is called before the state is read, and waits for a dead run's
    Terraform. `lock` replaces Terraform's own lock on the state; without it Terraform locks.
    `providers` has the recorded provider versions. `provider` is shared by all plans and applies,
    until `forget`; without it each starts its own.
    """

    terraform: Terraform
    root: Root
    clients: Clients
    limit: float = 7200.0
    settle: Callable[[], None] = lambda: None
    lock: StateLock | None = None
    providers: ProviderLocks | None = None
    provider: SharedProvider | None = None
    _before: bytes | None = field(default=None, init=False)
    _planner: BackgroundPlanner = field(init=False)
    _initialization: Initialization = field(init=False)

    def __post_init__(self) -> None:
        """Create the background planner and the initialization."""
        self._planner = BackgroundPlanner(make=self._plan, discard=self.discard)
        self._initialization = Initialization(
            terraform=self.terraform, folder=self.root.folder, locks=self.providers
        )

    @property
    def _errors(self) -> PlanErrors:
        return PlanErrors(terraform=self.terraform, root=self.root)

    @property
    def _contract(self) -> ContractCheck:
        return ContractCheck(terraform=self.terraform, root=self.root)

    def prepare(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> None:
        """Start a plan in the background; a `plan` of the same releases uses it."""
        self._planner.begin(PlanRequest(releases=tuple(wanted), creates=creates, deletes=deletes))

    def forget(self) -> None:
        """Wait for an unused plan in the background and discard it; end the shared provider."""
        self._planner.drop()
        if self.provider:
            self.provider.close()

    def plan(
        self, wanted: Sequence[Release], *, creates: frozenset[str], deletes: frozenset[str]
    ) -> Plan:
        """Plan exactly these releases, with no other creation or deletion than these.

        Raises RefusedError with the other changes of the plan, ConfigurationError if the module
        breaks its contract; nothing is changed then. Raises KeyboardInterrupt after a signal.
        """
        request = PlanRequest(releases=tuple(wanted), creates=creates, deletes=deletes)
        return self._planner.take(request) or self._plan(request)

    def _plan(self, request: PlanRequest) -> Plan:
        wanted, creates, deletes = request.releases, request.creates, request.deletes
        standing = () if deletes else [each for each in wanted if each.name not in creates]
        self._before = _text(releases_document(standing)) if standing else self._releases()
        try:
            self._prepare(wanted)
            made = [each for each in wanted if each.name in creates]
            if made:
                self._contract.rehearse(made[0])
            with self._planned() as (file, output):
                changes = output.planned
                found = breaches((*changes, *output.standing), creates=creates, deletes=deletes)
                repair = self._repair(request, output.planned) if found else ""
                self._errors.require(file, found, output, repair)
                self._contract.require(file, made)
        except BaseException:
            self._restore_releases()
            raise
        # A killed Terraform may have deleted a resource and left it in the state. Then the plan has
        # no changes, and its apply updates the state.
        kept = bool(changes or deletes)
        if not kept:
            file.unlink()
        return Plan(
            file=file if kept else None,
            changes=changes,
            summary=output.summary,
            program=output.product.command,
        )

    def discard(self, plan: Plan) -> None:
        """Discard the last plan and restore the map of releases from before it."""
        if plan.file:
            plan.file.unlink(missing_ok=True)
        self._restore_releases()

    def apply(self, plan: Plan) -> None:
        """Apply a saved plan once; raises FailedError with Terraform's output.

        Raises KeyboardInterrupt after a signal. The state is saved then; a resource may be tainted
        or, rarely, missing in the state; `adopt` fixes that.
        """
        self._planner.drop()
        if plan.file is None:
            return
        if not plan.file.exists():
            what = f"the plan {plan.file.name} no longer exists: it was applied or replaced"
            where = f"{self.terraform.name} apply of {self._errors.name}"
            raise FailedError(where, what, self._errors.by_hand("plan"))
        try:
            with self._locked("OperationTypeApply", FailedError) as locks:
                output = self.terraform.apply(
                    self.root.folder,
                    plan.file,
                    timeout=self.limit,
                    locks=locks,
                    provider=self.provider,
                )
        finally:
            plan.file.unlink(missing_ok=True)
        if output.errors:
            raise self._errors.of_apply(output)

    def adopt(self, wanted: Sequence[Release]) -> None:
        """Import resources that exist under these releases' names but are not in the state.

        Nothing is created or deleted; the next plan does that. Raises RefusedError if a resource
        has another owner, or if its address in the module is unknown.
        """
        self._planner.drop()
        self._prepare(wanted)
        known = self.terraform.state(self.root.folder)
        orphans = self._orphans(wanted, known)
        if not orphans:
            return
        imports = {self._address(each, known): each.id for each in orphans}
        for each in orphans:
            self._report(f"{self.terraform.name}: importing {each.kind} {each.name}")
        with self._importing(imports), self._planned(tuple(imports)) as (file, output):
            self._errors.require(
                file, adoption_breaches(output.planned, frozenset(imports)), output
            )
            self.apply(Plan(file=file, changes=output.planned, summary=output.summary))

    # --- providers ----------------------------------------------------------------------------

    def plan_upgrade(self, wanted: Sequence[Release]) -> ProviderUpgrade:
        """Install the newest allowed providers and plan these releases with them.

        Raises RefusedError if the plan changes anything; the recorded versions are used then. If
        those are the newest, nothing is planned.
        """
        self._write_files(wanted)
        try:
            recorded, lock, found = self._initialization.upgrade()
            self._require_initialized("init -upgrade", found)
            before = recorded.versions if recorded else {}
            if lock == recorded:
                return ProviderUpgrade(before=before, lock=lock, plan=Plan(file=None, changes=()))
            with self._planned() as (file, output):
                changes = (*output.planned, *output.standing)
                lines = breaches(changes, creates=frozenset(), deletes=frozenset())
                self._errors.require(file, lines, output, self._keep_versions())
                file.unlink()
        except BaseException:
            self._initialization.reject()
            raise
        plan = Plan(file=None, changes=output.planned, summary=output.summary)
        return ProviderUpgrade(before=before, lock=lock, plan=plan)

    def record_upgrade(self, upgrade: ProviderUpgrade) -> None:
        """Record the providers of an upgrade: every later run uses them."""
        self._initialization.accept(upgrade.lock)

    def discard_upgrade(self) -> None:
        """Go back to the recorded providers."""
        self._initialization.reject()

    def _keep_versions(self) -> str:
        return (
            "set provider_version below [terraform] to a version whose plan changes nothing; "
            f"the whole plan is in {self.terraform.log}"
        )

    # --- the folder ---------------------------------------------------------------------------

    def _prepare(self, wanted: Sequence[Release]) -> None:
        """Write the root module, and initialize it if a file of `init` has changed."""
        self._write_files(wanted)
        self._require_initialized("init", self._initialization.ensure())

    def _require_initialized(self, verb: str, found: Sequence[Diagnostic]) -> None:
        if found:
            raise self._errors.refused(verb, found)

    def _write_files(self, wanted: Sequence[Release]) -> None:
        folder = self.root.folder
        self.settle()
        write_root(self.root)
        self._write(RELEASES_FILE, releases_document(wanted))
        # Left by a killed run; they must not become part of this plan.
        for left in (folder / IMPORTS_FILE, *folder.glob(_PLANS)):
            left.unlink(missing_ok=True)

    def _releases(self) -> bytes | None:
        path = self.root.folder / RELEASES_FILE
        return path.read_bytes() if path.exists() else None

    def _restore_releases(self) -> None:
        """Restore the map of releases, for a person who runs Terraform in the folder by hand.

        Raises nothing: it runs after an error, which is the one to report.
        """
        path = self.root.folder / RELEASES_FILE
        try:
            if self._before is None:
                path.unlink(missing_ok=True)
            else:
                write_atomically(path, self._before)
        except OSError as error:
            reason = error.strerror or str(error)
            self._report(f"{path}: {reason}; until the next run it has a discarded plan's releases")

    def _write(self, name: str, document: Mapping[str, object]) -> None:
        path = self.root.folder / name
        try:
            write_atomically(path, _text(document))
        except OSError as error:
            raise RefusedError(
                f"the root module {self.root.folder}",
                error.strerror or str(error),
                f"free space there, and make {name} writable for you",
            ) from error

    @contextmanager
    def _planned(self, targets: Sequence[str] = ()) -> Iterator[tuple[Path, RunOutput]]:
        """Plan into a new file; delete it if the block fails."""
        # Each plan has its own name, so an older plan cannot be applied in its place.
        file = self.root.folder / _PLANS.replace("*", secrets.token_hex(4))
        try:
            with self._locked("OperationTypePlan", RefusedError) as locks:
                output = self.terraform.plan(
                    self.root.folder, file, targets, locks=locks, provider=self.provider
                )
            yield file, output
        except BaseException:
            file.unlink(missing_ok=True)
            raise

    @contextmanager
    def _locked(self, operation: str, raising: type[PipelineError]) -> Iterator[bool]:
        """Hold the lock inside the block; yield True if Terraform has to lock instead."""
        if self.lock is None:
            yield True
            return
        with self.lock.held(operation, self.terraform.program(), raising):
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

    def _orphans(self, wanted: Sequence[Release], known: Sequence[str]) -> tuple[Orphan, ...]:
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

    def _repair(self, request: PlanRequest, planned: Sequence[Change]) -> str:
        """Return the commands that make the state and AWS agree again; empty if none are known."""
        wrong = [
            each
            for each in planned
            if each.action == "create" and not releases_of(each.address) <= request.creates
        ]
        if any(each.missing for each in wrong):
            return f"to create it again: {self._errors.by_hand('apply')}"
        lost = {(each.kind, name): each for each in wrong for name in releases_of(each.address)}
        releases = {each.name: each for each in request.releases}
        imports = {}
        with suppress(PipelineError):
            for each in find(self.clients, self.root, list(releases.values())):
                if change := lost.get((each.kind, each.release)):
                    require_ours(self.root, each, releases[each.release])
                    imports[change.address] = each.id
        return self._errors.import_by_hand(imports)

    def _address(self, orphan: Orphan, known: Sequence[str]) -> str:
        """Return an orphan's address: in the shipped module, or like that of another release."""
        if self.root.module == shipped_module():
            return f'module.release.{orphan.kind}.this["{orphan.key}"]'
        for address in known:
            key = next((f'["{name}"]' for name in releases_of(address)), "no release")
            if kind_of(address) == orphan.kind and key in address:
                return address.replace(key, f'["{orphan.release}"]')
        raise RefusedError(
            f"importing {orphan.kind} {orphan.name}",
            "exists but is not in Terraform's state, and the state has no other release that shows "
            f"its address in {self.root.module}",
            self._errors.by_hand("import", f'ADDRESS["{orphan.release}"]', orphan.id),
        )

    def _report(self, text: str) -> None:
        self.terraform.report(Message(text=text))


def _text(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, indent=2).encode() + b"\n"
