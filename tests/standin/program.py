"""The Terraform stand-in: the commands that ami-pipeline uses, without Terraform's start-up time.

Use it for tests of many deployments, where real Terraform takes ten seconds per run. It creates the
launch templates and groups of releases through AWS's API and keeps a state in Terraform's format.
It can be killed at any moment, like Terraform. tests/e2e/test_resources.py is the contract test of
both.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tests.standin.aws import Aws, AwsError, CanceledError, Interrupts
from tests.standin.backend import open_backend
from tests.standin.resources import ProviderError, create, delete, read
from tests.standin.root import GROUP, KINDS, Root, RootError
from tests.standin.state import Instance, LockedError, State, hold_lock
from tests.standin.stream import VERSION, Address, Stream, format_address

_NO_STATE = "No state file was found!\n\nState management commands require a state file.\n"
_SHOWN = {"replace": ["delete", "create"], "import": ["no-op"]}
_STALE = (
    "The given plan file can no longer be applied because the state was changed by another "
    "operation after the plan was created."
)


def main() -> int:
    """Run a command; return its exit code."""
    words, options, targets = parse(sys.argv[1:])
    folder = Path(options.get("chdir", ".")).resolve()
    code = 1
    match words:
        case ["version", *_]:
            code = print_version(as_json="json" in options)
        case ["init"]:
            code = initialize(folder)
        case ["validate"]:
            code = print_json({"format_version": "1.0", "valid": True, "diagnostics": []})
        case ["state", "list"]:
            code = list_state(folder)
        case ["plan"]:
            code = Run(folder, options).plan(folder / options["out"], targets)
        case ["show", plan] if "json" in options:
            code = show_plan(folder, folder / plan)
        case ["apply", plan]:
            code = Run(folder, options).apply(folder / plan)
        case _:
            sys.stderr.write(f"the stand-in does not know: terraform {' '.join(words)}\n")
    return code


def parse(arguments: list[str]) -> tuple[list[str], dict[str, str], list[str]]:
    """Return the words, the options, and the targets."""
    words = [each for each in arguments if not each.startswith("-")]
    given = [each.lstrip("-").partition("=") for each in arguments if each.startswith("-")]
    options = {name: value for name, _, value in given}
    return words, options, [value for name, _, value in given if name == "target"]


def print_version(*, as_json: bool) -> int:
    if as_json:
        return print_json({"terraform_version": VERSION, "platform": "linux_amd64"})
    sys.stdout.write(f"Terraform v{VERSION}\non linux_amd64\n")
    return 0


def print_json(document: dict[str, Any]) -> int:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    return 0


def initialize(folder: Path) -> int:
    """Write what `init` writes, so that it is known to have run."""
    stream = Stream()
    stream.version()
    main_file = json.loads((folder / "main.tf.json").read_bytes())
    source = main_file["module"]["release"]["source"]
    if not (folder / source).is_dir():
        stream.fail("Unreadable module directory", f"Unable to evaluate directory {source}")
        return stream.close()
    modules = [{"Key": "", "Source": "", "Dir": "."}]
    modules.append({"Key": "release", "Source": source, "Dir": os.path.normpath(source)})
    (folder / ".terraform/modules").mkdir(parents=True, exist_ok=True)
    (folder / ".terraform/modules/modules.json").write_text(json.dumps({"Modules": modules}))
    (folder / ".terraform/terraform.tfstate").write_text(
        json.dumps({"version": 3, "backend": main_file["terraform"]["backend"]})
    )
    (folder / ".terraform.lock.hcl").write_text("# no provider\n")
    stream.log("Terraform has been successfully initialized!")
    return 0


def list_state(folder: Path) -> int:
    main_file = json.loads((folder / "main.tf.json").read_bytes())
    state = State.load(open_backend(folder, main_file["terraform"]["backend"]))
    if state is None:
        sys.stdout.write(_NO_STATE)
        return 1
    sys.stdout.writelines(f"{format_address(each)}\n" for each in sorted(state.resources))
    return 0


def show_plan(folder: Path, file: Path) -> int:
    """Print a saved plan with the one attribute that the stand-in knows before an apply."""
    main_file = json.loads((folder / "main.tf.json").read_bytes())
    state = State.load(open_backend(folder, main_file["terraform"]["backend"]))
    changes = []
    for change in json.loads(file.read_bytes())["changes"]:
        kind, key = address = tuple(change["address"])
        known = state.resources.get(address) if state else None
        actions = _SHOWN.get(change["planned"]["action"], [change["planned"]["action"]])
        changes.append(
            {
                "address": format_address(address),
                "mode": "managed",
                "type": kind,
                "name": "this",
                "index": key,
                "change": {
                    "actions": actions,
                    "before": {"id": known.id} if known else None,
                    "after": {},
                    "after_unknown": {"id": True},
                },
            }
        )
    return print_json({"resource_changes": changes, "configuration": {"root_module": {}}})


class Run:
    """One plan or apply in a folder."""

    def __init__(self, folder: Path, options: dict[str, str]) -> None:
        self.folder = folder
        self.stream = Stream()
        self.interrupts = Interrupts(self.stream.log)
        self.interrupts.install()
        self.within = seconds(options.get("lock-timeout", "0s"))
        self.locks = options.get("lock", "true") != "false"

    def plan(self, file: Path, targets: list[str]) -> int:
        """Plan the changes to the root module's resources, and save the plan."""
        return self._guarded("Plan", lambda: self._plan(file, targets))

    def apply(self, file: Path) -> int:
        """Apply a saved plan once."""
        return self._guarded("Apply", lambda: self._apply(json.loads(file.read_bytes())))

    def _guarded(self, operation: str, action: Callable[[], None]) -> int:
        self.stream.version()
        try:
            self.root = Root.load(self.folder)
            self.aws = Aws(
                endpoint=os.environ["AWS_ENDPOINT_URL"],
                region=self.root.region,
                interrupts=self.interrupts,
                speed=float(os.environ.get("AMI_PIPELINE_SPEED", "1")),
            )
            backend = open_backend(self.folder, self.root.backend)
            lock = hold_lock(backend, operation, self.within, self.interrupts.sleep)
            with lock if self.locks else nullcontext():  # -lock=false: the caller holds the lock
                self.state = State.load(backend) or State(backend)
                self._configure()
                action()
        except LockedError as error:
            self.stream.fail("Error acquiring the state lock", str(error))
        except RootError as error:
            self.stream.fail(error.summary, error.detail)
        except (ProviderError, AwsError, CanceledError, OSError) as error:
            self.stream.fail(str(error))
        return self.stream.close()

    def _configure(self) -> None:
        """Check the account, as the provider does with `allowed_account_ids`."""
        if not self.root.accounts:
            return
        found = self.aws.call("sts", "GetCallerIdentity").findtext(".//Account")
        if found not in self.root.accounts:
            raise ProviderError(f"AWS account ID not allowed: {found}")

    # --- planning ---------------------------------------------------------------------------------

    def _plan(self, file: Path, targets: list[str]) -> None:
        targeted = {
            each
            for each in (*self.root.wanted(), *self.state.resources)
            if is_targeted(each, targets)
        }
        missing = self._refresh(targeted)
        wanted = [each for each in self.root.wanted() if each in targeted]
        changes = [*self._imports(wanted), *self._changes(wanted, targeted, missing)]
        for address in missing:
            self.stream.drifted(address, "delete")
        for change in changes:
            self.stream.planned(tuple(change["address"]), **change["planned"])
        self.stream.summed("plan", count_changes(changes))
        left = [each for each in self.state.resources if each not in missing]
        plan = {"lineage": self.state.lineage, "serial": self.state.serial, "changes": changes}
        plan["missing"] = [each for each in self.state.resources if each not in left]
        with file.open("w") as output:  # keeps the mode of an existing file
            json.dump(plan, output)

    def _refresh(self, targeted: set[Address]) -> list[Address]:
        """Return the resources of the state that AWS no longer has."""
        missing = []
        for address in by_kind(self.state.resources):
            if address in targeted:
                id_ = self.state.resources[address].id
                self.stream.refreshing(address, id_)
                if read(self.aws, address[0], id_) is None:
                    missing.append(address)
        return missing

    def _imports(self, wanted: list[Address]) -> list[dict[str, Any]]:
        """Plan imports; an imported group is updated too, because only that writes `timeouts` to
        the state.
        """
        changes = []
        for address in wanted:
            id_ = self.root.imports.get(format_address(address), "")
            if not id_ or address in self.state.resources:
                continue
            self.stream.refreshing(address, id_)
            if read(self.aws, address[0], id_) is None:
                raise RootError("Cannot import non-existent remote object", format_address(address))
            action = "update" if address[0] == GROUP else "import"
            changes.append(change_of(address, action, importing=id_))
        return changes

    def _changes(
        self, wanted: list[Address], targeted: set[Address], missing: list[Address]
    ) -> list[dict[str, Any]]:
        known = {
            each: self.state.resources[each] for each in self.state.resources if each in targeted
        }
        changes = []
        for address in wanted:
            if format_address(address) in self.root.imports and address not in known:
                continue
            if address not in known or address in missing:
                changes.append(change_of(address, "create"))
            elif known[address].tainted:
                changes.append(change_of(address, "replace", reason="tainted"))
        kept = {*wanted, *missing}
        deleted = [each for each in by_kind(known) if each not in kept]
        changes += [change_of(each, "delete", reason="delete_because_each_key") for each in deleted]
        return changes

    # --- applying ---------------------------------------------------------------------------------

    def _apply(self, plan: dict[str, Any]) -> None:
        if (plan["lineage"], plan["serial"]) != (self.state.lineage, self.state.serial):
            raise RootError("Saved plan is stale", _STALE)
        for change in plan["changes"]:
            self.stream.planned(tuple(change["address"]), **change["planned"])
        for address in plan["missing"]:
            del self.state.resources[tuple(address)]
        failed: set[str] = set()
        for address, action, importing in steps(plan["changes"]):
            release = address[1].partition("/")[0]
            if self.interrupts.count:
                self.stream.fail("execution halted")
                break
            if release not in failed and not self._step(address, action, importing):
                failed.add(release)  # its dependents stay unchanged
        self.state.save()
        if not self.stream.errors:
            self.stream.summed("apply", count_changes(plan["changes"]))

    def _step(self, address: Address, action: str, importing: str) -> bool:
        """Apply one change to a resource and save the result in the state."""
        began = time.monotonic()
        if action == "import":
            self.state.resources[address] = Instance(importing)
            self.state.save()
            return True
        self.stream.started(address, action)
        try:
            {"create": self._create, "delete": self._delete, "update": self._update}[action](
                address
            )
        except (ProviderError, AwsError, CanceledError) as error:
            self.state.save()
            self.stream.errored(address, action, time.monotonic() - began)
            self.stream.fail(str(error), address=address)
            return False
        self.state.save()
        self.stream.ended(address, action, time.monotonic() - began)
        return True

    def _create(self, address: Address) -> None:
        wanted = dict(self.root.wanted()[address])
        if address[0] == GROUP:
            template = self.state.resources[KINDS[0], address[1]]
            wanted["LaunchTemplate"] = {"LaunchTemplateId": template.id, "Version": "1"}

        def on_created(id_: str) -> None:
            self.state.resources[address] = Instance(id_, tainted=True)

        create(self.aws, self.root, address, wanted, on_created)
        self.state.resources[address].tainted = False

    def _delete(self, address: Address) -> None:
        delete(self.aws, self.root, address[0], self.state.resources[address])
        del self.state.resources[address]

    def _update(self, address: Address) -> None:
        parameters = {"NewInstancesProtectedFromScaleIn": False}
        name = self.state.resources[address].id
        self.aws.call(
            "autoscaling", "UpdateAutoScalingGroup", AutoScalingGroupName=name, **parameters
        )


def change_of(address: Address, action: str, **more: str) -> dict[str, Any]:
    return {"address": address, "planned": {"action": action, **more}}


def steps(changes: list[dict[str, Any]]) -> list[tuple[Address, str, str]]:
    """Return the steps in order: groups are deleted before their templates."""
    made: list[tuple[Address, str, str]] = []
    deleted: list[tuple[Address, str, str]] = []
    for change in changes:
        address, planned = tuple(change["address"]), change["planned"]
        action, importing = planned["action"], planned.get("importing", "")
        if importing:
            made.append((address, "import", importing))
        if action in {"delete", "replace"}:
            deleted.append((address, "delete", ""))
        if action in {"create", "update", "replace"}:
            made.append((address, "create" if action == "replace" else action, ""))
    last_first = sorted(deleted, key=lambda step: KINDS.index(step[0][0]), reverse=True)
    return [*last_first, *made]


def count_changes(changes: list[dict[str, Any]]) -> dict[str, int]:
    actions = [change["planned"]["action"] for change in changes]
    return {
        "add": actions.count("create") + actions.count("replace"),
        "change": actions.count("update"),
        "import": sum("importing" in change["planned"] for change in changes),
        "remove": actions.count("delete") + actions.count("replace"),
    }


def by_kind(addresses: Any) -> list[Address]:
    return sorted(addresses, key=lambda each: (KINDS.index(each[0]), each[1]))


def is_targeted(address: Address, targets: list[str]) -> bool:
    return not targets or format_address(address) in targets


def seconds(duration: str) -> float:
    """Return the seconds of a Go duration such as `60s`."""
    return float(duration.removesuffix("s"))
