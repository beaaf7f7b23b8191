"""One provider process for several commands: a program that behaves as a provider does."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.terraform.provider import shared as module
from pipeline.adapters.terraform.provider.package import Package, find_package, hash_of
from pipeline.adapters.terraform.provider.shared import SharedProvider
from pipeline.core.errors import RefusedError
from pipeline.core.events import Event, Message
from pipeline.core.terraform.program import OPENTOFU, TERRAFORM, Program
from tests.adapters.process.children import is_gone

PROVIDER = f"""#!{sys.executable} -S
import os, signal, socket, sys
assert os.environ["TF_PLUGIN_MAGIC_COOKIE"] and "5" in os.environ["PLUGIN_PROTOCOL_VERSIONS"]
path = os.path.join(os.environ["TMPDIR"], "plugin1")
listening = socket.socket(socket.AF_UNIX)
listening.bind(path)
listening.listen()
print("Starting the provider", file=sys.stderr, flush=True)
print("panic: " + os.environ["AWS_SECRET_ACCESS_KEY"], file=sys.stderr, flush=True)
print(os.environ.get("SAYS", "1|5|unix|{{path}}|grpc|").replace("{{path}}", path), flush=True)
signal.pause()
"""
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ENVIRON = {"AWS_SECRET_ACCESS_KEY": SECRET, "PATH": os.environ["PATH"]}
PROGRAM = Program(
    product=TERRAFORM, version="1.11.4", platform="linux_amd64", path="terraform", command="x"
)
ADDRESS = "registry.terraform.io/hashicorp/aws"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    install(folder)
    return folder


def install(folder: Path, address: str = ADDRESS) -> None:
    package = folder / ".terraform/providers" / address / "5.100.0/linux_amd64"
    package.mkdir(parents=True)
    program = package / "terraform-provider-aws_v5.100.0_x5"
    program.write_text(PROVIDER)
    program.chmod(0o755)
    (package / "LICENSE.txt").write_text("a license")
    modules = folder / ".terraform/modules/modules.json"
    modules.parent.mkdir()
    modules.write_text(json.dumps({"Modules": [{"Dir": "."}, {"Dir": "../module"}]}))
    (folder.parent / "module").mkdir()
    (folder.parent / "module/main.tf").write_text("variable a {}")
    lock(folder, address)


def lock(folder: Path, address: str = ADDRESS, hashed: str = "") -> None:
    head = f'provider "{address}" {{\n  version = "5.100.0"\n'
    path = folder / ".terraform.lock.hcl"
    path.write_text(f"{head}}}\n")
    if not hashed:
        package = find_package(folder, program_of(address))
        assert package
        hashed = hash_of(package)
    path.write_text(f'{head}  hashes = [\n    "{hashed}",\n  ]\n}}\n')


def program_of(address: str) -> Program:
    product = OPENTOFU if address.startswith(OPENTOFU.registry) else TERRAFORM
    return replace(PROGRAM, product=product)


class Shared:
    """A shared provider, what it reports, and how often it took a checksum."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[Event] = []
        self.hashed = 0
        self.hashing, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.log = root.parent / "terraform.log"
        self.provider = SharedProvider(
            folder=root,
            program=lambda: PROGRAM,
            log=self.log,
            report=self.events.append,
            shipped=True,
        )
        monkeypatch.setattr(module, "hash_of", self._hash_of)

    def _hash_of(self, package: Package, stopped: Callable[[], bool]) -> str:
        self.hashed += 1
        self.hashing.set()
        self.go_on.wait()
        return hash_of(package, stopped)

    def use(self, environ: dict[str, str] | None = None, *, succeeds: bool = True) -> int:
        """Use the provider as one command does; return its pid, 0 if it is not shared."""
        with self.provider.attached(ENVIRON if environ is None else environ) as use:
            use.succeeded = succeeds
            if not use.variables:
                assert not use.kept
                return 0
            facts = json.loads(use.variables["TF_REATTACH_PROVIDERS"])[ADDRESS]
            folder = Path(facts["Addr"]["String"]).parent
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert os.fstat(use.kept[0])
            return int(facts["Pid"])

    def said(self) -> list[str]:
        return [each.text for each in self.events if isinstance(each, Message)]


@pytest.fixture
def shared(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    found = Shared(root, monkeypatch)
    yield found
    found.provider.close()


def test_commands_share_a_process_until_the_credentials_change(shared: Shared) -> None:
    first = shared.use()
    assert first > 0
    assert shared.use() == first
    renewed = shared.use({**ENVIRON, "AWS_SESSION_TOKEN": "new"})
    assert renewed not in {0, first}
    assert is_gone(first)
    shared.provider.close()
    assert is_gone(renewed)
    assert shared.use() not in {0, first, renewed}
    shared.provider.close()
    assert (shared.hashed, shared.said()) == (1, [])
    assert not list(shared.log.parent.glob("ami-pipeline-provider-*"))


def test_the_process_starts_in_the_background(shared: Shared) -> None:
    shared.provider.begin(lambda: None)
    shared.provider.begin(lambda: ENVIRON)
    assert shared.use() > 0
    assert shared.hashed == 1


def test_a_start_in_the_background_is_given_up_at_the_end(shared: Shared) -> None:
    shared.go_on.clear()
    shared.provider.begin(lambda: ENVIRON)
    assert shared.hashing.wait(30)
    closing = threading.Thread(target=shared.provider.close)
    closing.start()
    while not shared.provider._closing.is_set():
        time.sleep(0.01)
    shared.go_on.set()
    closing.join()
    assert not shared.log.exists()  # no process was started
    assert shared.use() > 0
    assert shared.hashed == 2


def test_a_changed_package_is_refused(shared: Shared, root: Path) -> None:
    running = shared.use()
    changed = next(root.glob(".terraform/providers/**/LICENSE.txt"))
    changed.write_text("another license")
    with pytest.raises(RefusedError) as refused:
        shared.use()
    assert refused.value.where == f"the provider {ADDRESS} 5.100.0"
    assert "has the checksum h1:" in refused.value.what
    assert refused.value.remedy.endswith(f"rm -r {root}/.terraform/providers")
    shared.provider.close()
    assert is_gone(running)
    lock(root)  # the lock file has the new package's checksum
    assert shared.use() > 0


def test_a_package_that_another_lock_file_excludes_is_refused(shared: Shared, root: Path) -> None:
    shared.use()
    lock(root, hashed="h1:other")
    with pytest.raises(RefusedError, match="which is not in"):
        shared.use()


def test_a_command_that_fails_ends_the_process(shared: Shared) -> None:
    first = shared.use(succeeds=False)
    assert is_gone(first)
    assert shared.use() not in {0, first}
    assert shared.said() == []


@pytest.mark.parametrize("during", [True, False])
def test_a_process_that_dies_is_not_started_again(shared: Shared, during: bool) -> None:
    pid = shared.use()
    if during:
        with shared.provider.attached(ENVIRON):
            os.kill(pid, signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGKILL)
        assert is_gone(pid)
    assert shared.use() == 0
    assert shared.provider.has_died
    unused = "the shared AWS provider cannot be used: it ended by itself"
    assert shared.said() == [f"terraform: {unused}; each command starts its own"]
    log = shared.log.read_text()
    assert "panic: " in log
    assert SECRET not in log


@pytest.mark.parametrize("says", ["1|5|tcp|127.0.0.1:1|grpc|", "1|5|unix|/tmp/plugin1|grpc|"])
def test_a_process_with_another_socket_than_its_own_is_not_used(
    shared: Shared, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    monkeypatch.setattr(module, "START", 1.0)
    assert shared.use({**ENVIRON, "SAYS": says}) == 0
    assert shared.provider.has_died


def _own_module(shared: Shared, root: Path) -> None:
    shared.provider.shipped = False
    (root.parent / "module/main.tf").write_text('provider "aws" { alias = "west" }')


def _overrides(_shared: Shared, root: Path) -> None:
    (root.parent / ".terraformrc").write_text("provider_installation { dev_overrides {} }")


def _off(shared: Shared, _root: Path) -> None:
    shared.provider.enabled = False


def _no_hash(_shared: Shared, root: Path) -> None:
    lock(root, hashed="zh:1234")


def _no_lock(_shared: Shared, root: Path) -> None:
    (root / ".terraform.lock.hcl").unlink()


def _two_programs(_shared: Shared, root: Path) -> None:
    package = next(root.glob(".terraform/providers/*/*/*/*/*"))
    (package / "terraform-provider-aws_v4.0.0").write_text("")


@pytest.mark.parametrize(
    "change", [_own_module, _overrides, _off, _no_hash, _no_lock, _two_programs]
)
def test_each_command_starts_its_own_provider(
    shared: Shared, root: Path, change: Callable[[Shared, Path], None]
) -> None:
    change(shared, root)
    assert shared.use({**ENVIRON, "HOME": str(root.parent)}) == 0
    assert (shared.hashed, shared.said()) == (0, [])


def test_a_module_without_a_configuration_of_its_own_shares(shared: Shared) -> None:
    shared.provider.shipped = False
    assert shared.use() > 0


def test_opentofu_finds_its_own_registrys_package(tmp_path: Path) -> None:
    address = "registry.opentofu.org/hashicorp/aws"
    folder = tmp_path / "tofu"
    install(folder, address)
    found = find_package(folder, program_of(address))
    assert found
    assert found.address == address
