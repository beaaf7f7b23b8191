"""Which provider versions a run initializes with, and what it records in the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.terraform.initialization import Initialization
from pipeline.adapters.terraform.provider_locks import ProviderLocks
from pipeline.core.errors import RefusedError
from pipeline.core.terraform.program import OPENTOFU, TERRAFORM, Program
from pipeline.core.terraform.provider_lock import PLATFORMS, hashes_in, new_lock, versions_in
from pipeline.core.terraform.root_module import Diagnostic

AWS, RANDOM = "hashicorp/aws", "hashicorp/random"
LINUX, MAC = "linux_amd64", "darwin_arm64"
OTHER = Diagnostic(summary="Provider dependency changes detected", detail="")
CHECKSUM = Diagnostic(summary="Failed to install provider", detail="doesn't match any checksums")
GONE = Diagnostic(summary="Failed to query available provider packages", detail="not available")


class FakeTerraform:
    """Terraform's `init` and `providers lock` as 1.11.4 does them: versions, hashes, errors.

    `available` are the versions of each provider that the module requires. Without `registry`
    packages come from a mirror, which has no signed list. `tampered` packages have other hashes.
    """

    def __init__(self, folder: Path, *, platform: str = LINUX, registry: bool = True) -> None:
        self.folder = folder
        self.available = {AWS: ["5.99.0"]}
        self.registry = registry
        self.online = registry
        self.tampered = False
        self.calls: list[str] = []
        self.messages: list[str] = []
        binary = folder.parent / "terraform"
        binary.touch()
        self.known = Program(
            product=TERRAFORM,
            version="1.11.4",
            platform=platform,
            path=str(binary),
            command="terraform",
        )

    @property
    def host(self) -> str:
        return self.known.product.registry

    def program(self) -> Program:
        return self.known

    def report(self, event: Any) -> None:
        self.messages.append(event.text)

    def init(
        self,
        folder: Path,
        *,
        backend: bool,
        lockfile: str | None,
        upgrade: bool,
        reconfigure: bool,
    ) -> tuple[Diagnostic, ...]:
        assert (backend, reconfigure) == (True, False)
        self.calls.append(
            " ".join(["init", *[str(lockfile)] * bool(lockfile), *["upgrade"] * upgrade])
        )
        path = folder / ".terraform.lock.hcl"
        old = path.read_text() if path.exists() else ""
        wanted = {f"{self.host}/{name}" for name in self.available}
        if lockfile and versions_in(old).keys() != wanted:
            return (OTHER,)
        blocks = []
        for name in sorted(self.available):
            locked = blocks_of(old).get(f"{self.host}/{name}")
            found = self._install(name, None if upgrade else locked)
            if isinstance(found, Diagnostic):
                return (found,)
            blocks.append(found)
        if not lockfile:
            path.write_text("# by init\n" + "".join(f"\n{each}" for each in blocks))
        (folder / ".terraform/modules").mkdir(parents=True, exist_ok=True)
        (folder / ".terraform/modules/modules.json").write_text(json.dumps({"Modules": []}))
        return ()

    def _install(self, name: str, locked: str | None) -> str | Diagnostic:
        version = versions_in(locked or "").get(f"{self.host}/{name}", self.available[name][-1])
        if version not in self.available[name]:
            return GONE
        package = self._hashes(name, version, self.known.platform)
        known = hashes_in(locked or "")
        if known and not known & package:
            return CHECKSUM
        return block(f"{self.host}/{name}", version, known | package)

    def _hashes(self, name: str, version: str, platform: str) -> set[str]:
        mark = "tampered" if self.tampered else "package"
        own = {f"h1:{mark}-{name}-{version}-{platform}="}
        signed = {f"zh:{mark}-{name}-{version}-{each}" for each in PLATFORMS}
        return own | signed if self.registry else own

    def lock_providers(self, folder: Path, platforms: Sequence[str]) -> bool:
        self.calls.append("lock")
        if not self.online:
            return False
        path = folder / ".terraform.lock.hcl"
        found = versions_in(path.read_text())
        blocks = []
        for name, version in found.items():
            short = name.partition("/")[2]
            hashes = {f"zh:package-{short}-{version}-{each}" for each in PLATFORMS}
            hashes |= {f"h1:package-{short}-{version}-{each}=" for each in platforms}
            blocks.append(block(name, version, hashes))
        path.write_text("# by lock\n" + "".join(f"\n{each}" for each in blocks))
        return True


def block(name: str, version: str, hashes: set[str]) -> str:
    lines = "".join(f'    "{each}",\n' for each in sorted(hashes))
    return f'provider "{name}" {{\n  version = "{version}"\n  hashes = [\n{lines}  ]\n}}\n'


def blocks_of(text: str) -> dict[str, str]:
    parts = text.split("\nprovider ")[1:]
    return {part.split('"')[1]: f"provider {part}" for part in parts}


class Runner:
    """A machine with its own folder and Terraform, on the store that all runners share."""

    def __init__(self, folder: Path, store: DirectoryStore, **options: Any) -> None:
        (folder / "root").mkdir(parents=True)
        (folder / "root/main.tf.json").write_text("{}")
        self.terraform = FakeTerraform(folder / "root", **options)
        self.locks = ProviderLocks(store=store, environment="staging")
        self.run = self.start()

    def start(self) -> Initialization:
        """Return a new run on this machine."""
        terraform: Any = self.terraform
        self.terraform.calls.clear()
        self.run = Initialization(terraform=terraform, folder=self.folder, locks=self.locks)
        return self.run

    def deploy(self) -> tuple[Diagnostic, ...]:
        return self.start().ensure()

    @property
    def folder(self) -> Path:
        return self.terraform.folder

    @property
    def version(self) -> str:
        """The version of the AWS provider in the folder."""
        return versions_in(self.text)[f"{self.terraform.host}/{AWS}"]

    @property
    def text(self) -> str:
        return (self.folder / ".terraform.lock.hcl").read_text()


Machines = Callable[..., Runner]


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def machine(tmp_path: Path, store: DirectoryStore) -> Machines:
    made: list[Runner] = []

    def make(**options: Any) -> Runner:
        made.append(Runner(tmp_path / f"machine-{len(made)}", store, **options))
        return made[-1]

    return make


def test_the_first_run_records_its_versions_and_a_fresh_runner_uses_them(
    machine: Machines, store: DirectoryStore
) -> None:
    first, fresh = machine(), machine()
    assert first.deploy() == ()
    assert store.keys("providers/") == ("providers/staging.terraform.json",)
    fresh.terraform.available[AWS] = ["5.99.0", "5.100.0"]
    assert fresh.deploy() == ()
    assert fresh.version == "5.99.0"
    assert fresh.terraform.calls == ["init readonly"]


def test_an_initialized_folder_is_not_initialized_again(machine: Machines) -> None:
    runner = machine()
    runner.deploy()
    runner.deploy()
    assert runner.terraform.calls == []


def test_a_run_reads_the_lock_once(machine: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = machine()
    runner.deploy()
    reads: list[str] = []
    original = DirectoryStore.read

    def read(store: DirectoryStore, key: str) -> Any:
        reads.append(key)
        return original(store, key)

    monkeypatch.setattr(DirectoryStore, "read", read)
    run = runner.start()
    assert [run.ensure() for _ in range(3)] == [(), (), ()]
    assert len(reads) == 1


def test_an_environment_without_a_lock_records_what_its_folder_uses(machine: Machines) -> None:
    old = machine()
    terraform: Any = old.terraform
    Initialization(terraform=terraform, folder=old.folder).ensure()
    old.terraform.available[AWS] = ["5.99.0", "5.100.0"]
    old.deploy()
    assert old.terraform.calls == []
    found = old.locks.read("terraform").lock
    assert found is not None
    assert list(found.versions.values()) == ["5.99.0"]


def test_without_a_store_the_lock_file_stays_in_the_folder(machine: Machines) -> None:
    runner = machine()
    terraform: Any = runner.terraform
    assert Initialization(terraform=terraform, folder=runner.folder).ensure() == ()
    assert runner.terraform.calls == ["init"]
    assert runner.locks.programs() == ()


def test_a_signed_list_covers_other_platforms_which_add_their_own_hash(machine: Machines) -> None:
    linux, mac = machine(), machine(platform=MAC)
    linux.deploy()
    assert linux.terraform.calls == ["init"]
    mac.terraform.available[AWS] = ["5.99.0", "5.100.0"]
    assert mac.deploy() == ()
    assert (mac.version, mac.terraform.calls) == ("5.99.0", ["init"])
    for each in (linux, mac):
        each.deploy()
        assert each.text == (linux.text if each is mac else mac.text)
        assert not {"init"} & set(each.terraform.calls)


def test_a_mirror_gets_hashes_from_the_registry_if_it_answers(machine: Machines) -> None:
    linux = machine(registry=False)
    linux.terraform.online = True
    linux.deploy()
    assert linux.terraform.calls == ["init", "lock"]
    found = linux.locks.read("terraform").lock
    assert found is not None
    assert found.platforms == PLATFORMS


def test_without_a_registry_each_platform_adds_its_hash_and_keeps_the_version(
    machine: Machines,
) -> None:
    linux, mac = machine(registry=False), machine(registry=False, platform=MAC)
    linux.deploy()
    assert linux.terraform.messages == [
        "terraform: the registry did not answer: the lock has hashes for linux_amd64 only"
    ]
    mac.terraform.available[AWS] = ["5.99.0", "5.100.0"]
    assert mac.deploy() == ()
    assert mac.version == "5.99.0"
    found = mac.locks.read("terraform").lock
    assert found is not None
    assert found.platforms == (MAC, LINUX)
    assert len(hashes_in(found.text)) == 2
    assert linux.deploy() == ()


@pytest.mark.parametrize("registry", [True, False])
def test_another_package_of_a_known_platform_is_refused(machine: Machines, registry: bool) -> None:
    machine(registry=registry).deploy()
    other = machine(registry=registry)
    before = other.locks.read("terraform")
    other.terraform.tampered = True
    assert other.deploy() == (CHECKSUM,)
    assert other.locks.read("terraform") == before
    other.terraform.tampered = False
    assert other.deploy() == ()


def test_another_package_of_a_new_platform_is_refused_by_the_signed_list(machine: Machines) -> None:
    machine().deploy()
    mac = machine(platform=MAC)
    mac.terraform.tampered = True
    assert mac.deploy() == (CHECKSUM,)


def test_a_version_that_is_not_available_is_refused(machine: Machines) -> None:
    machine().deploy()
    other = machine()
    other.terraform.available[AWS] = ["5.100.0"]
    assert other.deploy() == (GONE,)


@pytest.mark.parametrize("fresh", [True, False])
def test_a_provider_that_the_module_adds_is_recorded_and_no_other_changes(
    machine: Machines, fresh: bool
) -> None:
    first = machine()
    first.deploy()
    later = machine() if fresh else first
    (later.folder / "main.tf.json").write_text('{"changed": true}')
    later.terraform.available = {AWS: ["5.99.0", "5.100.0"], RANDOM: ["3.7.0"]}
    assert later.deploy() == ()
    assert later.terraform.calls == ["init readonly", "init"]
    found = later.locks.read("terraform").lock
    assert found is not None
    assert list(found.versions.values()) == ["5.99.0", "3.7.0"]
    assert later.deploy() == ()
    assert later.terraform.calls == []


def test_a_run_killed_before_the_lock_is_recorded_has_recorded_nothing(
    machine: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = machine()
    with monkeypatch.context() as patched:
        patched.setattr(DirectoryStore, "write", killed)
        with pytest.raises(SystemExit):
            runner.deploy()
    assert runner.locks.programs() == ()
    runner.terraform.available[AWS].append("5.100.0")
    assert runner.deploy() == ()
    assert runner.version == "5.99.0"


def killed(*_: object, **__: object) -> str:
    raise SystemExit(137)


# --- upgrades -------------------------------------------------------------------------------------


def test_an_accepted_upgrade_is_used_by_every_machine(machine: Machines) -> None:
    runner, other = machine(), machine()
    assert (runner.deploy(), other.deploy()) == ((), ())
    for each in (runner, other):
        each.terraform.available[AWS].append("5.100.0")
    run = runner.start()
    before, lock, found = run.upgrade()
    assert before is not None
    assert (list(before.versions.values()), list(lock.versions.values())) == (
        ["5.99.0"],
        ["5.100.0"],
    )
    assert found == ()
    run.accept(lock)
    assert (runner.deploy(), other.deploy()) == ((), ())
    assert (runner.version, other.version) == ("5.100.0", "5.100.0")
    assert runner.terraform.calls == []
    assert other.terraform.calls == ["init readonly"]


@pytest.mark.parametrize("dies", [True, False])
def test_an_upgrade_that_is_not_accepted_changes_nothing(machine: Machines, dies: bool) -> None:
    runner = machine()
    runner.deploy()
    text = runner.text
    runner.terraform.available[AWS].append("5.100.0")
    run = runner.start()
    run.upgrade()
    assert runner.version == "5.100.0"
    if not dies:
        run.reject()
        assert runner.text == text
    assert runner.deploy() == ()
    assert runner.text == text
    assert runner.terraform.calls == (["init readonly"] if dies else [])


def test_an_upgrade_without_a_newer_version_keeps_the_lock(machine: Machines) -> None:
    runner = machine()
    runner.deploy()
    before, after, found = runner.start().upgrade()
    assert (before, found) == (after, ())
    runner.run.reject()
    assert runner.deploy() == ()


def test_an_upgrade_of_an_environment_without_a_lock_records_one(machine: Machines) -> None:
    runner = machine()
    run = runner.start()
    before, lock, found = run.upgrade()
    assert (before, found) == (None, ())
    run.accept(lock)
    assert runner.locks.programs() == ("terraform",)


def test_an_upgrade_that_is_rejected_without_a_lock_leaves_no_file(machine: Machines) -> None:
    runner = machine()
    run = runner.start()
    run.upgrade()
    run.reject()
    assert not (runner.folder / ".terraform.lock.hcl").exists()


# --- the store ------------------------------------------------------------------------------------


def test_each_program_has_a_lock_of_its_own(machine: Machines) -> None:
    machine().deploy()
    other = machine()
    other.terraform.known = replace(other.terraform.known, product=OPENTOFU, version="1.12.6")
    other.terraform.available[AWS] = ["5.100.0"]
    assert other.deploy() == ()
    assert other.locks.programs() == ("terraform", "tofu")
    assert other.deploy() == ()
    assert other.terraform.calls == []


def test_two_writers_of_a_lock_do_not_overwrite_each_other(machine: Machines) -> None:
    locks = machine().locks
    locks.write("terraform", new_lock("one", LINUX), None)
    with pytest.raises(RefusedError) as told:
        locks.write("terraform", new_lock("two", LINUX), None)
    assert told.value.what == "another run has recorded other provider versions meanwhile"
    assert told.value.remedy.endswith("ami-pipeline state providers -e staging")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda data: data[:-9], "is damaged: it is not JSON"),
        (
            lambda data: data.replace(b'"schema": 1', b'"schema": 2'),
            "a newer ami-pipeline wrote it",
        ),
    ],
)
def test_a_damaged_lock_is_refused(
    machine: Machines, store: DirectoryStore, change: Callable[[bytes], bytes], what: str
) -> None:
    runner = machine()
    runner.deploy()
    path = Path(store.where("providers/staging.terraform.json"))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(RefusedError) as told:
        runner.deploy()
    assert told.value.what.startswith(what)


def test_the_locks_of_other_environments_are_not_listed(machine: Machines) -> None:
    locks = machine().locks
    for name in ("staging2", "a-staging"):
        ProviderLocks(store=locks.store, environment=name).write("terraform", new_lock(""), None)
    assert locks.programs() == ()
