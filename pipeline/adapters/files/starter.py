"""Read what ships for a new service, render its templates, and write files into a repository."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

import pipeline
from pipeline.adapters.files.documentation import documentation_folder
from pipeline.core.errors import RefusedError
from pipeline.core.starter.files import StarterFile

LARGEST_SCRIPT = 256 * 1024
_SKIPPED = frozenset({"node_modules", "vendor", "venv", "dist", "build", "target"})
_SCRIPTS = (".sh", ".bash", ".yml", ".yaml", ".mk")
_SCRIPT_NAMES = frozenset({"Makefile", "Jenkinsfile", "deploy", "bake", "build"})
_HIDDEN = frozenset({".github", ".gitlab-ci.yml", ".circleci", ".buildkite"})
_DEPTH = 3
_BLOCK = re.compile(r"""^\s*(?:(?:source|build)\s*["{]|"(?:source|build)")""", re.MULTILINE)
"""What a template has and a file of plugins or variables has not."""


def shipped(folder: str) -> Path:
    """Return a folder of the sample: in the installed package, or in the checkout."""
    package = Path(pipeline.__file__).resolve().parent
    found = (each / folder for each in (package, package.parent))
    return next((each for each in found if each.is_dir()), package / folder)


def shipped_files(folder: str, *names: str) -> Iterator[tuple[str, str, bool]]:
    """Yield path, text and mode of files of the sample; `names` are patterns, as glob reads them.

    The path is relative to the folder; the last value is True for an executable file.
    """
    root = shipped(folder)
    for path in sorted({path for name in names for path in root.glob(name) if path.is_file()}):
        text = path.read_text(encoding="utf-8")
        yield path.relative_to(root).as_posix(), text, os.access(path, os.X_OK)


def ci_file(name: str) -> str:
    """Return the text of a file of `docs/ci`."""
    return (documentation_folder() / "ci" / name).read_text(encoding="utf-8")


def render(name: str, values: Mapping[str, Any]) -> str:
    """Render a template of `pipeline/templates`; the filter `toml` writes a value as TOML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(pipeline.__file__).resolve().parent / "templates"),
        autoescape=False,  # noqa: S701  TOML and HCL, not HTML: the filter `toml` quotes
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["toml"] = as_toml
    return environment.get_template(f"{name}.j2").render(values)


def as_toml(value: object) -> str:
    """Return a value as TOML; a text or a list of texts is the same in HCL without `${`."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{as_key(key)} = {as_toml(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    # JSON's escapes are TOML's, but TOML also wants DEL escaped (TOML 1.0, "String").
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def as_key(key: str) -> str:
    """Return a key of TOML, quoted if necessary."""
    return (
        key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else as_toml(key)
    )


def existing_texts(folder: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return the texts of those files that exist; raises RefusedError for one that is no text."""
    found = {}
    for path in paths:
        file = folder / path
        if file.is_symlink() or file.exists():
            try:
                found[path] = file.read_text(encoding="utf-8")
            except (OSError, UnicodeError) as error:
                what = f"it exists and cannot be read: {error}"
                raise RefusedError(path, what, f"ls -l {path}") from error
    return found


def write_files(folder: Path, files: Iterable[StarterFile]) -> None:
    """Write new files; raises RefusedError if one exists by now or the folder is not writable."""
    for file in files:
        path = folder / file.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as handle:
                handle.write(file.text)
            if file.executable:
                path.chmod(0o755)
        except OSError as error:
            what = f"cannot be written: {error.strerror}"
            raise RefusedError(file.path, what, "make the folder writable for you") from error


def write_text(path: Path, text: str) -> None:
    """Replace a text file; raises RefusedError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise RefusedError(str(path), what, "make the folder writable for you") from error


def templates(folder: Path) -> tuple[str, ...]:
    """Return the Packer templates below a folder; a folder with several HCL2 files is one."""
    hcl = [path for path in _files(folder) if path.name.endswith((".pkr.hcl", ".pkr.json"))]
    hcl = [path for path in hcl if _BLOCK.search(text := _text(path)) and text != _own()]
    names = set()
    for path in hcl:
        siblings = [each for each in hcl if each.parent == path.parent]
        chosen = path if len(siblings) == 1 else path.parent
        names.add(chosen.relative_to(folder).as_posix())
    old = (path for path in _files(folder) if path.suffix == ".json" and _is_template(path))
    return tuple(sorted(names | {path.relative_to(folder).as_posix() for path in old}))


def scripts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield path and text of each shell script, Makefile and CI file below a folder."""
    for path in _files(folder):
        if path.suffix in _SCRIPTS or path.name in _SCRIPT_NAMES:
            text = _text(path)
            if "packer" in text:
                yield path.relative_to(folder).as_posix(), text


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        here = Path(root)
        deep = len(here.relative_to(folder).parts) >= _DEPTH
        folders[:] = [] if deep else sorted(each for each in folders if _is_searched(each))
        yield from (here / name for name in sorted(names) if _is_searched(name))


def _is_searched(name: str) -> bool:
    return name in _HIDDEN or not (name.startswith(".") or name in _SKIPPED)


def _is_template(path: Path) -> bool:
    try:
        document = json.loads(_text(path))
    except ValueError:
        return False
    return isinstance(document, dict) and isinstance(document.get("builders"), list)


def _own() -> str:
    """Return the text of the template that ships: where it is unchanged, init wrote it."""
    return _text(shipped("packer") / "app.pkr.hcl")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.stat().st_size <= LARGEST_SCRIPT else ""
    except (OSError, UnicodeError):
        return ""
