"""Read a template of today, and write it for Packer 1.6.6 without what that does not know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pipeline.adapters.packer.hcl import Block, parse
from pipeline.core.bake.expressions import literal

_NEW_BLOCKS = re.compile(
    r"^[ \t]*(?:packer|data\s+\"[^\"]*\"\s+\"[^\"]*\"|metadata_options)\s*\{", re.MULTILINE
)
_NEW_ARGUMENTS = re.compile(
    r"^[ \t]*(?:imds_support|deprecate_at|use_ibm_fips)\s*=.*$", re.MULTILINE
)
_LOCAL = re.compile(
    r"^local\s+\"([\w-]+)\"\s*\{\s*expression\s*=\s*(.*?)\s*\}", re.MULTILINE | re.DOTALL
)
_DATA = re.compile(r"data\.([\w-]+)\.([\w-]+)\.([\w-]+)")
_PAGE = "https://developer.hashicorp.com/packer/integrations?filter="


class ComponentError(Exception):
    """A data source that failed."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """A template, with the variables that were passed."""

    path: Path
    given: Mapping[str, object]
    required: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    old_style: bool = False

    @classmethod
    def read(cls, path: Path, given: Mapping[str, object]) -> Self:
        """Read a file or a folder."""
        if path.suffix == ".json":
            builders = _json(path).get("builders", [])
            return cls(
                path=path,
                given=given,
                kinds=tuple(each["type"] for each in builders),
                builds=tuple(
                    f"{each['type']}.{each['name']}" for each in builders if "name" in each
                ),
                old_style=True,
            )
        blocks = tuple(block for file in _files(path) for block in parse(file.read_text()).blocks)
        sources = [block.labels for block in blocks if block.kind == "source"]
        return cls(
            path=path,
            given=given,
            required=dict(_required(blocks)),
            kinds=tuple(kind for kind, _ in sources),
            builds=tuple(f"{kind}.{name}" for kind, name in sources),
            blocks=blocks,
        )

    def unknown(self, kind: str) -> str:
        """Return what Packer says without the plugin of this builder."""
        page = f"documented\non the Packer integrations page.\n\n{_PAGE}{kind}\n\n"
        if self.old_style:
            name = self.builds[0].partition(".")[2] if self.builds else kind
            return (
                f'Error: Failed to initialize build "{name}"\n\nThe builder {kind} is unknown by '
                "Packer, and is likely part of a plugin\nthat is not installed.\nYou may find the "
                f"needed plugin along with installation instructions {page}"
            )
        return (
            f"Error: Unknown source type {kind}\n\n  on {self.path.name} line 1:\n  (source code "
            f"not available)\n\nThe source {kind} is unknown by Packer, and is likely part of a "
            "plugin that is\nnot installed.\nYou may find the needed plugin along with "
            f"installation instructions {page}"
        )

    @property
    def unknown_in_environment(self) -> bool:
        """True if a provisioner's environment has the value of a data source."""
        return any(
            "data." in provisioner.arguments.get("environment_vars", "")
            for build in self.blocks
            if build.kind == "build"
            for provisioner in build.all("provisioner")
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of sensitive variables."""
        if self.old_style:
            content = _json(self.path)
            names, declared = content.get("sensitive-variables", []), content.get("variables", {})
            found = [self.given.get(name, declared.get(name)) for name in names]
        else:
            found = [
                self._variable(block.labels[0])
                for block in self.blocks
                if block.kind == "variable" and block.arguments.get("sensitive") == "true"
            ]
        return tuple(each for each in found if isinstance(each, str) and each)

    def written_for_1_6(self, folder: Path, *, evaluates: bool) -> Path:
        """Write the template into this folder; return the path for Packer 1.6.6.

        The data sources are evaluated if `evaluates`; otherwise their values are `<unknown>`.
        """
        if self.old_style:
            return self.path
        values = dict(self._values(evaluates=evaluates))
        root = self.path if self.path.is_dir() else self.path.parent
        for file in _files(self.path):
            (folder / file.name).write_text(_older(file.read_text(), root.absolute(), values))
        for file in root.glob("*.auto.pkrvars.*") if self.path.is_dir() else ():
            (folder / file.name).write_bytes(file.read_bytes())
        return folder if self.path.is_dir() else folder / self.path.name

    def _variable(self, name: str) -> object:
        for block in self.blocks:
            if block.kind == "variable" and block.labels == (name,):
                return self.given.get(name, literal(block.arguments.get("default", "null")))
        return None

    def _values(self, *, evaluates: bool) -> Iterator[tuple[str, str]]:
        for block in self.blocks:
            if block.kind == "data":
                name = ".".join(block.labels)
                yield name, self._image(block) if evaluates else "<unknown>"

    def _image(self, block: Block) -> str:
        """Return the id that the data source `amazon-ami` has."""
        import boto3  # noqa: PLC0415  takes longer than most commands
        import botocore.exceptions  # noqa: PLC0415

        if block.labels[0] != "amazon-ami":
            raise ComponentError(f"Error: Unknown data source {block.labels[0]}\n\n")
        arguments = {name: self._evaluated(text) for name, text in block.arguments.items()}
        filters = [
            {"Name": name, "Values": [value]}
            for name, value in _object(block.arguments.get("filters", "{}"), self).items()
        ]
        try:
            ec2: Any = boto3.client("ec2", region_name=arguments.get("region"))
            images = ec2.describe_images(Filters=filters, Owners=arguments.get("owners", []))[
                "Images"
            ]
        except botocore.exceptions.NoCredentialsError:
            raise ComponentError(_failed("No valid credential sources found")) from None
        except botocore.exceptions.BotoCoreError as error:
            raise ComponentError(_failed(str(error))) from None
        if not images:
            pointers = " ".join(f"{{0xc0 [{each['Values'][0]}] {{}}}}" for each in filters)
            said = f"&{{<nil> [] [{pointers}] [] 0xc1 <nil> <nil> <nil> [self] {{}}}}"
            raise ComponentError(_failed(f"No AMI was found matching filters: {said}"))
        newest = max(images, key=lambda image: str(image["CreationDate"]))
        return str(newest["ImageId"])

    def _evaluated(self, text: str) -> Any:
        name = re.fullmatch(r"var\.([\w-]+)", text)
        return self._variable(name[1]) if name else literal(text)


def _failed(text: str) -> str:
    return f"Error: Datasource.Execute failed: {text}\n\n  on app.pkr.hcl line 1:\n\n\n"


def _object(text: str, template: Template) -> dict[str, str]:
    inner = parse(text.strip()[1:-1].replace(",", "\n")).arguments
    return {name.strip('"'): str(template._evaluated(value)) for name, value in inner.items()}


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.pkr.hcl")) if path.is_dir() else [path]


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def _required(blocks: tuple[Block, ...]) -> Iterator[tuple[str, str]]:
    for block in blocks:
        if block.kind == "packer":
            for inner in block.all("required_plugins"):
                for text in inner.arguments.values():
                    source = re.search(r'source\s*=\s*"([^"]+)"', text)
                    version = re.search(r'version\s*=\s*"([^"]+)"', text)
                    if source:
                        yield source[1], version[1] if version else ""


def _older(text: str, root: Path, values: Mapping[str, str]) -> str:
    """Return the text of a file without what is new; values of data sources become locals."""
    while found := _NEW_BLOCKS.search(text):
        text = text[: found.start()] + text[_closing(text, found.end()) :]
    text = _NEW_ARGUMENTS.sub("", text)
    text = _LOCAL.sub(r"locals { \1 = \2 }", text)
    text = text.replace("${path.root}", str(root)).replace("path.root", f'"{root}"')
    names = {f"{kind}.{name}" for kind, name, _ in _DATA.findall(text)}
    text = _DATA.sub(lambda each: f"local.standin_{each[2]}", text)
    added = (f'  standin_{name.partition(".")[2]} = "{values[name]}"' for name in sorted(names))
    return text + ("\nlocals {\n" + "\n".join(added) + "\n}\n" if names else "")


def _closing(text: str, at: int) -> int:
    """Return the end of a block whose brace opened before; strings in it hold no lone brace."""
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at
