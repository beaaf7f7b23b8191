"""Define the two programs that can run a root module, and recognize them by what they say.

A program's file name proves nothing: `terraform` may be a link to OpenTofu.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.core import commands
from pipeline.core.errors import RefusedError


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """Terraform or OpenTofu; `command` is its usual command, and its name in the store.

    `oldest` is the first version that locks a state in S3 with a file (`use_lockfile` in the
    release notes of both). `registry` begins the addresses of providers in its states.
    """

    name: str
    command: str
    oldest: tuple[int, int]
    url: str
    registry: str

    @property
    def minimum(self) -> str:
        """Return the oldest version as text."""
        return f"{self.oldest[0]}.{self.oldest[1]}"

    @property
    def install(self) -> str:
        """Return the remedy for a missing or old program."""
        return f"install {self.name} {self.minimum} or newer: {self.url}"


TERRAFORM = Product(
    name="Terraform",
    command="terraform",
    oldest=(1, 10),
    url="https://developer.hashicorp.com/terraform/install",
    registry="registry.terraform.io",
)
OPENTOFU = Product(
    name="OpenTofu",
    command="tofu",
    oldest=(1, 10),
    url="https://opentofu.org/docs/intro/install/",
    registry="registry.opentofu.org",
)
PRODUCTS = {each.command: each for each in (TERRAFORM, OPENTOFU)}
"""Both products by their commands, in the order of preference on PATH."""

_SAID = re.compile(
    r"^(?P<name>Terraform|OpenTofu) v(?P<version>\d+\.\d+\.\S+)\s+on (?P<platform>\w+)$",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program that said what it is; `platform` is one such as `linux_amd64`.

    `path` is the file that runs, `command` the word that a person types for it.
    """

    product: Product
    version: str
    platform: str
    path: str
    command: str

    @property
    def key(self) -> str:
        """Return its name in the store: `terraform` or `tofu`."""
        return self.product.command

    def __str__(self) -> str:
        """Return name and version, as messages have them."""
        return f"{self.product.name} {self.version}"


def recognize(text: str, *, path: str, command: str) -> Program | None:
    """Return the program that prints this text for `version`; None for any other program.

    Warnings may come first. `version -json` has the same keys in both, so the text is read.
    """
    found = _SAID.search(text)
    if found is None:
        return None
    product = next(each for each in PRODUCTS.values() if each.name == found["name"])
    return Program(
        product=product,
        version=found["version"],
        platform=found["platform"],
        path=path,
        command=command,
    )


_TERRAFORM_FILES = (".tf", ".tf.json", ".tftest.hcl", ".tftest.json")


def source_files(product: Product, names: Iterable[str]) -> tuple[str, ...]:
    """Return those files of a module's folder that a product reads, sorted.

    OpenTofu also reads `.tofu`, `.tofu.json`, `.tofutest.hcl` and `.tofutest.json`, and then
    ignores the file of the same name for Terraform (its docs, "Files and Directories").
    """
    given = sorted(names)
    own = {name: _for_terraform(name) for name in given} if product is OPENTOFU else {}
    replaced = set(filter(None, own.values()))
    return tuple(
        name
        for name in given
        if own.get(name) or (name.endswith(_TERRAFORM_FILES) and name not in replaced)
    )


def _for_terraform(name: str) -> str:
    """Return the name that OpenTofu's own file replaces; empty for another file."""
    for ending in _TERRAFORM_FILES:
        own = ending.replace(".tf", ".tofu", 1)
        if name.endswith(own):
            return name.removesuffix(own) + ending
    return ""


ENCRYPTION = "TF_ENCRYPTION"
"""The variable with OpenTofu's configuration of state encryption."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramChoice:
    """What decides which program runs.

    `configured` is a command or a path of pipeline.toml, empty without. `recorded` is the product
    that the environment's document names, empty if none was recorded. `change` allows another
    one than that.
    """

    configured: str = ""
    recorded: str = ""
    change: bool = False
    environment: str = ""

    @property
    def commands(self) -> tuple[str, ...]:
        """Return the commands to find on PATH, the recorded product's first."""
        if self.configured:
            return (self.configured,)
        first = [self.recorded] if self.recorded in PRODUCTS and not self.change else []
        return tuple(dict.fromkeys([*first, *PRODUCTS]))

    def is_recorded(self, program: Program) -> bool:
        """Return True if the environment's state was written by this product, or by none yet."""
        return self.recorded in {"", program.key}


def require_usable(program: Program, choice: ProgramChoice, *, encryption: bool) -> None:
    """Raise RefusedError for a program that is too old, or that must not write this state.

    `encryption` says that the environment variable TF_ENCRYPTION is set.
    """
    product, where = program.product, f"{program.command} version"
    major, minor = (int(part) for part in program.version.split(".")[:2])
    if (major, minor) < product.oldest:
        what = f"{program} is older than {product.minimum}, the first that locks a state in S3"
        raise RefusedError(where, what, product.install)
    if encryption and product is not OPENTOFU:
        raise RefusedError(
            ENCRYPTION,
            f"is set, but {program} cannot encrypt a state: it would be written in plain text",
            f'set program = "{OPENTOFU.command}" below [terraform], or: unset {ENCRYPTION}',
        )
    if not (choice.change or choice.is_recorded(program)):
        raise _changed(program, choice)


def change_of(program: Program, choice: ProgramChoice) -> str:
    """Return what changes with another program than the recorded one; empty if none does."""
    if choice.is_recorded(program):
        return ""
    before = PRODUCTS[choice.recorded]
    return (
        f"changes from {before.name} to {program}: provider addresses in the state change "
        f"from {before.registry} to {program.product.registry}"
    )


def replace_provider(folder: Path, text: str = "") -> str:
    """Return the command that gives a state of OpenTofu the addresses that Terraform reads.

    OpenTofu runs it; it reads Terraform's addresses by itself (its internal/tofumigrate). `text`
    is an error that may name another provider than that of AWS.
    """
    found = _ADDRESS.search(text)
    name = found[1] if found else "hashicorp/aws"
    addresses = (f"{each.registry}/{name}" for each in (OPENTOFU, TERRAFORM))
    words = ("state", "replace-provider", "-auto-approve", *addresses)
    return commands.in_folder(folder, OPENTOFU.command, *words)


_ADDRESS = re.compile(re.escape(OPENTOFU.registry) + r"/([\w-]+/[\w-]+)")


def _changed(program: Program, choice: ProgramChoice) -> RefusedError:
    before = PRODUCTS[choice.recorded]
    back = (
        f'set program = "{before.command}" below [terraform]'
        if choice.configured
        else before.install
    )
    return RefusedError(
        "[terraform] program",
        f"is {program} ({program.path}), but {before.name} wrote the state of "
        f"{choice.environment}: provider addresses in it would change",
        f"{back}; or read how to change it ({commands.docs('terraform')}), then: "
        f"{commands.change_program(choice.environment)}",
    )
