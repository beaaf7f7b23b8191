"""Read what `packer inspect` does not show from the files of a template.

These are the types of variables, the regions and encryption of builders, the files that
provisioners upload, and the environment variables that a template reads. What cannot be read is
left out and not judged: Packer itself decides.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.adapters.packer.hcl import Block, parse
from pipeline.core.bake.expressions import literal
from pipeline.core.bake.model import Builder, Declared

_LIST = re.compile(r"(?:list|set)(?:\((?:string|any)\))?")
_MAP = re.compile(r"map(?:\((?:string|any)\))?")
_ENV = re.compile(r"""(?:\{\{\s*env\s+[`"']([^`"']+)[`"']\s*\}\}|\benv\("([^"]+)"\))""")
_UPLOADS = ("source", "sources", "script", "scripts", "playbook_file", "playbook_dir")
_GROUPS = ("ami_groups", "snapshot_groups")
_PATHS = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateSource:
    """A template as its files have it.

    `uploads` are paths as they stand in the template. `locals` are expressions. `data` is True if
    it has data sources, which Packer >= 1.7 evaluates.
    """

    variables: Mapping[str, Declared] = field(default_factory=dict)
    builders: Mapping[str, Builder] = field(default_factory=dict)
    locals: Mapping[str, str] = field(default_factory=dict)
    uploads: tuple[str, ...] = ()
    data: bool = False


def read_source(template: Path) -> TemplateSource:
    """Return what the files of a template say; empty for files that cannot be read."""
    if template.suffix == ".json" and not template.name.endswith(".pkr.json"):
        return _old_style(_json(template))
    files = _files(template, (".pkr.hcl", ".pkr.json")) if template.is_dir() else [template]
    blocks = tuple(block for file in files for block in _blocks(file))
    whole = Block(kind="", blocks=blocks)
    return TemplateSource(
        variables=dict(_variables(whole)),
        builders=_builders(whole),
        locals=_locals(whole),
        uploads=tuple(path for build in whole.all("build") for path in _uploads(build)),
        data=any(whole.all("data")),
    )


def assigned(template: Path, var_files: Iterable[Path]) -> dict[str, Any]:
    """Return the variables that files set: those that Packer loads by itself, and `var_files`.

    A value is None if it is no plain text, number, boolean or list of these.
    """
    automatic = (".auto.pkrvars.hcl", ".auto.pkrvars.json")
    loaded = _files(template, automatic) if template.is_dir() else []
    found: dict[str, Any] = {}
    for file in (*loaded, *var_files):
        if file.suffix == ".json":
            content = _json(file)
            found |= content if isinstance(content, dict) else {}
        else:
            found |= {name: literal(text) for name, text in _parsed(file).arguments.items()}
    return found


def _files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name.endswith(endings))


def _blocks(file: Path) -> Iterable[Block]:
    return _from_json(_json(file)) if file.suffix == ".json" else _parsed(file).blocks


def _parsed(file: Path) -> Block:
    try:
        return parse(file.read_text(errors="replace"))
    except OSError:
        return Block(kind="")


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}


# --- HCL2 -----------------------------------------------------------------------------------------


def _variables(whole: Block) -> Iterator[tuple[str, Declared]]:
    for block in whole.all("variable"):
        default = block.arguments.get("default")
        kind = _kind(block.arguments.get("type", ""), default)
        yield (
            "".join(block.labels[:1]),
            Declared(
                kind=kind,
                required=default is None,
                sensitive=block.arguments.get("sensitive") == "true",
                default=literal(default or "null"),
                environment=_environment(default or ""),
            ),
        )


def _kind(kind: str, default: str | None) -> str:
    """Return string, number, bool, list, map, any, or the type itself if it is another one."""
    plain = re.sub(r'[\s"]', "", kind)
    if not plain:
        return _kind_of_value(default or "")
    if _LIST.fullmatch(plain):
        return "list"
    return "map" if _MAP.fullmatch(plain) else plain


def _kind_of_value(default: str) -> str:
    first = default[:1]
    kinds = {'"': "string", "<": "string", "[": "list", "{": "map"}
    if default in {"true", "false"}:
        return "bool"
    return "number" if first.isdigit() else kinds.get(first, "any")


def _builders(whole: Block) -> dict[str, Builder]:
    """Return the builders by `type.name`, with what a build block adds to them."""
    found = {".".join(each.labels): _builder(each) for each in whole.all("source")}
    for build in whole.all("build"):
        for each in build.all("source"):
            name = "".join(each.labels).removeprefix("source.")
            base, own = found.get(name, Builder()), _builder(each)
            merged = Builder(
                region=own.region or base.region,
                copies=own.copies or base.copies,
                encrypt=own.encrypt or base.encrypt,
                groups=own.groups or base.groups,
                filter=own.filter or base.filter,
                type=own.type or base.type,
            )
            kind, _, label = name.partition(".")
            other = literal(each.arguments.get("name", "null")) or label
            found[f"{kind}.{other}"] = merged
    return found


def _builder(block: Block) -> Builder:
    arguments = block.arguments
    return Builder(
        region=arguments.get("region", ""),
        copies=arguments.get("ami_regions", ""),
        encrypt=arguments.get("encrypt_boot", ""),
        groups="".join(arguments.get(name, "") for name in _GROUPS),
        filter=_filter(block),
        type=arguments.get("instance_type") or arguments.get("spot_instance_types", ""),
    )


def _filter(block: Block) -> str:
    """Return the filter of the source image in one line; HCL2 in JSON has it as an argument."""
    written = (
        f"{name} = {text}"
        for inner in block.all("source_ami_filter")
        for name, text in inner.arguments.items()
    )
    text = ", ".join(written) or block.arguments.get("source_ami_filter", "")
    return " ".join(text.split())


def _locals(whole: Block) -> dict[str, str]:
    found = {name: text for block in whole.all("locals") for name, text in block.arguments.items()}
    single = ((block, block.arguments.get("expression", "")) for block in whole.all("local"))
    return found | {"".join(block.labels[:1]): text for block, text in single}


def _uploads(build: Block) -> Iterator[str]:
    for provisioner in build.all("provisioner"):
        if (provisioner.arguments.get("direction") or "").strip('"') == "download":
            continue
        for name in _UPLOADS:
            yield from _PATHS.findall(provisioner.arguments.get(name, ""))


def _from_json(content: Any) -> Iterator[Block]:
    """Yield the blocks of HCL2 in JSON syntax, in which each argument is text or JSON."""
    labeled = {"variable": 1, "source": 2, "data": 2, "locals": 0, "build": 0}
    for kind, labels in labeled.items():
        for path, body in _bodies(
            content.get(kind, {}) if isinstance(content, dict) else {}, labels
        ):
            yield Block(kind=kind, labels=path, arguments=_arguments(body), blocks=_nested(body))


def _bodies(content: Any, labels: int) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if isinstance(content, list):
        for each in content:
            yield from _bodies(each, labels)
    elif isinstance(content, dict) and labels:
        for name, inner in content.items():
            for path, body in _bodies(inner, labels - 1):
                yield (name, *path), body
    elif isinstance(content, dict):
        yield (), content


def _arguments(body: Mapping[str, Any]) -> dict[str, str]:
    return {name: json.dumps(value, ensure_ascii=False) for name, value in body.items()}


def _nested(body: Mapping[str, Any]) -> tuple[Block, ...]:
    return tuple(
        Block(kind="provisioner", labels=path, arguments=_arguments(inner))
        for path, inner in _bodies(body.get("provisioner", {}), 1)
    )


# --- old JSON -------------------------------------------------------------------------------------


def _old_style(content: Any) -> TemplateSource:
    if not isinstance(content, dict):
        return TemplateSource()
    sensitive = _listed(content, "sensitive-variables")
    declared = content.get("variables")
    variables = {
        name: Declared(
            kind="text",
            required=value is None,
            sensitive=name in sensitive,
            default=None if value is None else _text(value),
            environment=_environment(str(value)),
        )
        for name, value in (declared.items() if isinstance(declared, dict) else ())
    }
    builders = {
        str(each.get("name") or each.get("type")): Builder(
            region=_text(each.get("region", "")),
            copies=",".join(_texts(each.get("ami_regions"))),
            encrypt=_text(each.get("encrypt_boot", "")),
            groups="".join(json.dumps(each[name]) for name in _GROUPS if each.get(name)),
            filter=json.dumps(each["source_ami_filter"]) if "source_ami_filter" in each else "",
            type=_text(each.get("instance_type", "")),
        )
        for each in _listed(content, "builders")
        if isinstance(each, dict)
    }
    return TemplateSource(
        variables=variables,
        builders=builders,
        uploads=tuple(
            path
            for each in _listed(content, "provisioners")
            if isinstance(each, dict) and each.get("direction") != "download"
            for name in _UPLOADS
            for path in _texts(each.get(name))
        ),
    )


def _listed(content: Mapping[str, Any], name: str) -> list[Any]:
    value = content.get(name)
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [each for each in value if isinstance(each, str)]
    return [value] if isinstance(value, str) else []


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _environment(text: str) -> tuple[str, ...]:
    """Return the environment variables that a default reads."""
    return tuple(a or b for a, b in _ENV.findall(text))


# --- uploads --------------------------------------------------------------------------------------


def uploads(source: TemplateSource, template: Path, directory: Path) -> tuple[Path, ...]:
    """Return the files and folders that provisioners upload, as far as they exist.

    A path is relative to the folder in which Packer runs. One that holds another expression than
    the template's folder is left out.
    """
    folder = template if template.is_dir() else template.parent
    found: dict[Path, None] = {}
    for text in source.uploads:
        plain = re.sub(r"\$\{path\.root\}|\{\{\s*template_dir\s*\}\}", str(folder), text)
        plain = re.sub(r"\$\{path\.cwd\}|\{\{\s*pwd\s*\}\}", str(directory), plain)
        path = Path(os.path.normpath(directory / plain))
        if plain and "${" not in plain and "{{" not in plain and path.exists():
            found[path] = None
    return tuple(found)


def undeclared_uploads(
    source: TemplateSource, template: Path, directory: Path, inputs: Iterable[Path]
) -> tuple[Path, ...]:
    """Return the uploads that are not beside the template nor inputs."""
    folder = template if template.is_dir() else template.parent
    covered = [Path(os.path.normpath(each)) for each in (folder, *inputs)]
    return tuple(
        path
        for path in uploads(source, template, directory)
        if not any(path.is_relative_to(each) for each in covered)
    )
