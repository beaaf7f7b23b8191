"""A stand-in for Packer 1.16 with the Amazon plugin 1.8.3, around the Packer on PATH.

It speaks as its captures do and refuses what they refuse; Packer 1.6.6 bakes. Use it for what a
replayed capture cannot show: a whole bake, its data sources, its plugins. It needs the plugin's
file where Packer searches for it, so a test that hides the plugins fails.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.standin.packer_output import Output
from tests.standin.packer_template import ComponentError, Template

VERSION = "1.16.0"
PLUGIN = "packer-plugin-{}_v1.8.3_x5.0_linux_amd64"
ENVIRONMENT = "STANDIN_PACKER"
"""Names the Packer that bakes."""
_COMMON = {"machine-readable": 0, "except": 1, "only": 1, "var": 1, "var-file": 1}
_OPTIONS = {
    "build": _COMMON
    | {"color": 1, "debug": 0, "force": 0, "on-error": 1, "parallel-builds": 1}
    | {"timestamp-ui": 0, "warn-on-undeclared-var": 0},
    "validate": _COMMON | {"syntax-only": 0, "evaluate-datasources": 0},
    "inspect": _COMMON,
    "init": {"machine-readable": 0, "upgrade": 0, "force": 0},
    "version": {"machine-readable": 0},
}
"""The options of each command, with the number of their values; 1.16 refuses others."""
_USAGE = "Usage: packer [--version] [--help] <command> [<args>]\n\nAvailable commands are:\n"


class RefusedError(Exception):
    """What Packer says on its user interface before it exits with 1; a warning may come first."""

    def __init__(self, *texts: tuple[str, str]) -> None:
        super().__init__(texts)
        self.texts = texts


def main() -> int:
    """Run a command; return its exit code."""
    match sys.argv[1:]:
        case ["--version"]:
            sys.stdout.write(f"Packer v{VERSION}\n")
            return 0
        case ["plugins", "installed"]:
            sys.stdout.writelines(f"{each}\n" for each in _plugins())
            return 0
        case ["fmt", *_]:
            return subprocess.run([os.environ[ENVIRONMENT], *sys.argv[1:]], check=False).returncode
        case [command, *arguments] if command in _OPTIONS:
            say = _speaker("-machine-readable" in arguments)
            try:
                return _run(command, arguments, say)
            except RefusedError as refused:
                for kind, text in refused.texts:
                    say(kind, text)
                return 1
        case _:
            sys.stdout.write(_USAGE)
            return 127


def _speaker(readable: bool) -> Callable[[str, str], None]:
    def say(kind: str, text: str) -> None:
        if readable:
            text = text.replace(",", "%!(PACKER_COMMA)").replace("\n", "\\n")
            text = f"{int(time.time())},,ui,{kind},{text}"
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    return say


def _run(command: str, arguments: list[str], say: Callable[[str, str], None]) -> int:
    options, words = _parse(command, arguments)
    if command == "version":
        for name, value in (("", VERSION), ("-prelease", ""), ("-commit", "")):
            sys.stdout.write(f"{int(time.time())},,version{name},{value}\n")
        say("say", f"Packer v{VERSION}")
        return 0
    if len(words) != 1:
        raise RefusedError(("say", f"Usage: packer {command} [options] TEMPLATE"))
    if not Path(words[0]).exists():
        raise RefusedError(("error", f"Error: \n\nstat {words[0]}: no such file or directory\n\n"))
    template = Template.read(Path(words[0]), _variables(options))
    if command == "init":
        return _init(template)
    _require_plugins(template)
    if (command, [o for o in options if o[0] == "evaluate-datasources"]) == ("validate", []):
        _refuse_unknown_values(template)
    return _wrapped(command, options, template, say)


def _parse(command: str, arguments: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    known, options, words = _OPTIONS[command], list[tuple[str, str]](), list[str]()
    rest = iter(arguments)
    for each in rest:
        if not each.startswith("-"):
            words.append(each)
            continue
        name, given, value = each.lstrip("-").partition("=")
        if name not in known:
            usage = f"Usage: packer {command} [options] TEMPLATE"
            raise RefusedError(("say", usage), ("error", f"flag provided but not defined: -{name}"))
        options.append((name, value if given or not known[name] else next(rest, "")))
    return options, words


def _variables(options: list[tuple[str, str]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in options:
        if name == "var":
            key, _, text = value.partition("=")
            found[key] = text
        elif name == "var-file" and value.endswith(".json"):
            found |= json.loads(Path(value).read_bytes())
    return found


# --- plugins --------------------------------------------------------------------------------------


def _folder() -> Path:
    if own := os.environ.get("PACKER_PLUGIN_PATH"):
        return Path(own)
    root = os.environ.get("PACKER_CONFIG_DIR") or os.environ.get("HOME", "/")
    return Path(root) / ".config/packer/plugins"


def _plugins() -> list[Path]:
    return sorted(_folder().glob("*/*/*/packer-plugin-*"))


def _has(plugin: str) -> bool:
    source = plugin.removeprefix("github.com/").split("/")
    return (_folder() / "github.com" / plugin.removeprefix("github.com/")).is_dir() and any(
        each.name.startswith(f"packer-plugin-{source[-1]}_v") for each in _plugins()
    )


def _init(template: Template) -> int:
    missing = [plugin for plugin in template.required if not _has(plugin)]
    for plugin in missing[:1]:
        name = plugin.rpartition("/")[2]
        address = f"https://api.github.com/repos/hashicorp/packer-plugin-{name}/git"
        lookup = "dial tcp: lookup api.github.com on 192.0.2.53:53: no such host"
        unreachable = f'Get "{address}/matching-refs/tags": {lookup}'
        raise RefusedError(
            ("error", f'Failed getting the "{plugin}" plugin:'),
            ("error", f"1 error occurred:\n\t* {unreachable}\n\n"),
        )
    return 0


def _require_plugins(template: Template) -> None:
    missing = [plugin for plugin in template.required if not _has(plugin)]
    if missing:
        listed = "\n".join(f"* {plugin} {template.required[plugin]}" for plugin in missing)
        text = (
            "Error: Missing plugins\n\nThe following plugins are required, but not "
            f"installed:\n\n{listed}\n\nDid you run packer init for this project ?\n\n"
        )
        raise RefusedError(("error", text))
    if any(kind.startswith("amazon") for kind in template.kinds) and not _has("hashicorp/amazon"):
        raise RefusedError(("error", template.unknown("amazon-ebs")))


def _refuse_unknown_values(template: Template) -> None:
    if template.unknown_in_environment:
        text = (
            'Error: Failed preparing provisioner-block "shell" ""\n\n  on '
            f"{template.path.name} line 1:\n  (source code not available)\n\n1 error(s) "
            "occurred:\n\n* Environment variable not in format 'key=value': <unknown>\n\n"
        )
        raise RefusedError(("error", text))


# --- the Packer that bakes ------------------------------------------------------------------------


def _wrapped(
    command: str,
    options: list[tuple[str, str]],
    template: Template,
    say: Callable[[str, str], None],
) -> int:
    evaluates = command in {"build", "inspect"} or ("evaluate-datasources", "") in options
    with tempfile.TemporaryDirectory(prefix="standin-packer-") as folder:
        try:
            older = template.written_for_1_6(Path(folder), evaluates=evaluates)
        except ComponentError as error:
            raise RefusedError(("error", str(error))) from error
        given = [(n, v) for n, v in options if n != "evaluate-datasources"]
        flags = [f"-{name}={value}" if value else f"-{name}" for name, value in given]
        output = Output(template, build=command == "build", only=_only(options))
        readable = ("machine-readable", "") in options or command == "validate"
        code = _stream([command, *flags, str(older)], output, readable=readable)
    if command == "build" and code == 0 and output.ran_nothing:
        names = ", ".join(template.builds)
        say(
            "say",
            "Warning: an 'only' option was passed, but not all matches were found for the given "
            f"build.\n\nPossible build names: [{names}].\n\n",
        )
        raise RefusedError(("error", "Error: No builds to run\n\nA build command cannot run\n\n"))
    if command == "validate" and code == 0:
        say("say", "The configuration is valid.")
    return code


def _only(options: list[tuple[str, str]]) -> bool:
    return any(name == "only" for name, _ in options)


def _stream(argv: list[str], output: Output, *, readable: bool) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)  # the group gets it: wait for the end
    program = [os.environ[ENVIRONMENT], *argv]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as child:
        assert child.stdout
        for line in child.stdout:
            for each in output.lines(line.rstrip(b"\n")) if readable else iter([line.rstrip()]):
                sys.stdout.buffer.write(each + b"\n")
            sys.stdout.buffer.flush()
    return child.returncode


# --- for tests ------------------------------------------------------------------------------------

_PROGRAM = """\
#!{python} -S
import os, sys
sys.path[:0] = {path!r}
os.environ.setdefault({name!r}, {packer!r})
from tests.standin.packer import main
sys.exit(main())
"""


def installed(folder: Path, path: str) -> str:
    """Write `packer` into a new folder; return `path` with it in front."""
    packer = shutil.which("packer", path=path)
    assert packer, "the stand-in needs a packer on PATH"
    folder.mkdir(parents=True)
    program = folder / "packer"
    program.write_text(
        _PROGRAM.format(python=sys.executable, path=sys.path, name=ENVIRONMENT, packer=packer)
    )
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{path}"


def install_plugin(folder: Path, name: str = "amazon") -> Path:
    """Put the file of a plugin of HashiCorp into a folder of plugins; return that folder."""
    place = folder / "github.com/hashicorp" / name
    place.mkdir(parents=True)
    (place / PLUGIN.format(name)).touch()
    return folder
