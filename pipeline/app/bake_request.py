"""Make the request of a bake from the configuration, the command line and the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import config
from pipeline.adapters.ci.git import read_commit, read_ignored
from pipeline.adapters.packer.template_source import TemplateSource, assigned, uploads
from pipeline.adapters.packer.workspace import baked_by
from pipeline.adapters.packer.written_files import written_files
from pipeline.app.application import Application, Options
from pipeline.core import commands
from pipeline.core.bake.model import BakeRequest, Source
from pipeline.core.errors import ConfigurationError
from pipeline.core.events import Message
from pipeline.core.masking import SHORTEST, texts

PREFIX = "PKR_VAR_"
_SECRET = re.compile(r"pass|secret|token|key|cred|auth|private|salt|cert", re.IGNORECASE)
_ORDINARY = re.compile(
    r"AWS_(?:DEFAULT_)?REGION|AWS_PROFILE|HOME|USER|LOGNAME|PATH|PWD|SHELL|LANG|HOSTNAME|CI"
    r"|(?:BUILD|GITHUB|GITLAB|CI|RUNNER|JENKINS|PACKER)_(?!.*(?:TOKEN|SECRET|PASS|KEY)).*"
)
"""Environment variables that a template reads for other reasons than a secret."""


def request_of(
    app: Application,
    options: Options,
    wanted: config.BakeSettings,
    secrets: Mapping[str, Any],
    source: TemplateSource,
) -> BakeRequest:
    """Return the request that the configuration and the command line add up to."""
    outputs = (*_outputs(app, options, wanted), *written_files(app.state))
    commit = read_commit(app.settings.root, app.environ, outputs)
    version = options.version or commit.describe
    if not version:
        example = "1.0.0"
        raise ConfigurationError(
            "version",
            f"not given, and git describe finds nothing in {app.settings.root}",
            commands.rebuild(options.rebuilds, version=example)
            if options.rebuilds
            else commands.bake(options.environment, version=example),
        )
    return BakeRequest(
        app=app.settings.app,
        version=version,
        region=app.settings.region,
        environment=options.environment,
        template=_template(app, wanted),
        directory=app.inside(wanted.directory),
        regions=tuple(wanted.regions),
        inputs=tuple(app.inside(path) for path in wanted.inputs),
        only=tuple(wanted.only),
        outputs=(*outputs, *_ignored(app, wanted, source)),
        variables={key: wanted.vars[key] for key in wanted.vars if key not in secrets},
        secrets=secrets,
        var_files=tuple(_var_files(app, wanted)),
        elsewhere=_elsewhere(app, wanted, source),
        passed=None if wanted.pass_variables is None else frozenset(wanted.pass_variables),
        source=_source(wanted),
        tags=dict(wanted.tags),
        timeout=wanted.timeout,
        cancel_grace=wanted.cancel_grace,
        commit=commit,
        baked_by=baked_by(app.environ),
        force=options.force,
    )


def _template(app: Application, wanted: config.BakeSettings) -> Path:
    path = app.inside(wanted.template)
    if not path.exists():
        raise ConfigurationError(
            "[bake] template", f"there is no {path}", "fix template in pipeline.toml"
        )
    return path


def _var_files(app: Application, wanted: config.BakeSettings) -> Iterator[Path]:
    for name in wanted.var_files:
        path = app.inside(name)
        if not path.is_file():
            raise ConfigurationError(
                "[bake] var_files", f"there is no file {path}", "fix var_files in pipeline.toml"
            )
        yield path


def _elsewhere(
    app: Application, wanted: config.BakeSettings, source: TemplateSource
) -> dict[str, Any]:
    """Return the variables that are set outside [bake.vars], without the values of secrets."""
    found = _given(app, wanted, source)
    return {
        name: None if _is_secret(name, source) else value
        for name, value in found.items()
        if name in source.variables
    }


def _given(app: Application, wanted: config.BakeSettings, source: TemplateSource) -> dict[str, Any]:
    """Return the variables of PKR_VAR_* and of files; a later file replaces an earlier value.

    An old JSON template reads no PKR_VAR_* (Packer documentation, "Input Variables").
    """
    named = {
        name: app.environ[f"{PREFIX}{name}"]
        for name, declared in source.variables.items()
        if f"{PREFIX}{name}" in app.environ and declared.kind != "text"
    }
    files = tuple(app.inside(path) for path in wanted.var_files)
    return {**named, **assigned(app.inside(wanted.template), files)}


def _is_secret(name: str, source: TemplateSource) -> bool:
    declared = source.variables.get(name)
    return bool(declared and declared.sensitive)


def hidden_values(
    app: Application, wanted: config.BakeSettings, source: TemplateSource
) -> Iterator[Any]:
    """Yield the values of secrets that the template gets from elsewhere than [bake.vars].

    These are the values of its sensitive variables, and of the environment variables that it reads
    itself if their name or the variable's is that of a secret. Others are reported, not masked.
    """
    given = _given(app, wanted, source)
    for name, declared in source.variables.items():
        if declared.sensitive and name in given:
            yield from (text for text in texts(given[name]) if len(text) >= SHORTEST)
        if declared.sensitive and declared.default is not None:
            yield from (text for text in texts(declared.default) if len(text) >= SHORTEST)
        for variable in declared.environment:
            value = app.environ.get(variable, "")
            if len(value) < SHORTEST or _ORDINARY.fullmatch(variable):
                continue
            if declared.sensitive or _SECRET.search(f"{variable} {name}"):
                yield value
            else:
                app.report(Message(text=_not_masked(variable, name, wanted)))


def _not_masked(variable: str, name: str, wanted: config.BakeSettings) -> str:
    return (
        f"{wanted.template} reads {variable} from the environment, and its value is not masked; "
        f"if it is a secret, add {name} to sensitive-variables, or make it sensitive"
    )


def secrets_of(app: Application, wanted: config.BakeSettings) -> dict[str, Any]:
    """Return the secret variables with their values; raises ConfigurationError for short ones."""
    found: dict[str, Any] = {name: wanted.vars[name] for name in wanted.sensitive}
    for name, value in found.items():
        if any(len(text) < SHORTEST for text in texts(value)):
            raise ConfigurationError(
                f"[bake.vars] {name}",
                f"is in sensitive and holds fewer than {SHORTEST} characters: "
                "masking it would hide ordinary words",
                f"make it longer, or remove {name} from sensitive",
            )
    for variable, name in wanted.vars_from_env.items():
        found[variable] = _from_environment(app, variable, name)
    return found


def _from_environment(app: Application, variable: str, name: str) -> str:
    value = app.environ.get(name, "")
    if len(value) < SHORTEST:
        what = "is not set" if not value else f"holds fewer than {SHORTEST} characters"
        raise ConfigurationError(
            f"[bake.vars_from_env] {variable}",
            f"the environment variable {name} {what}",
            f"export {name} with the secret's value, then: {commands.bake()}",
        )
    return value


def _outputs(app: Application, options: Options, wanted: config.BakeSettings) -> tuple[Path, ...]:
    """Return the files that a bake writes: they are no inputs of the next bake."""
    dotenv = options.dotenv.absolute() if options.dotenv else None
    written = (app.state, app.inside(wanted.tfvars), dotenv)
    configured = (app.inside(wanted.dotenv),) if wanted.dotenv else ()
    return (*(path for path in written if path), *configured)


def _ignored(
    app: Application, wanted: config.BakeSettings, source: TemplateSource
) -> Iterator[Path]:
    """Yield what git ignores below the inputs; what the template uploads counts all the same."""
    template, directory = app.inside(wanted.template), app.inside(wanted.directory)
    uploaded = uploads(source, template, directory)
    folder = template if template.is_dir() else template.parent
    for start in (folder, *(app.inside(path) for path in wanted.inputs)):
        for path in read_ignored(start, app.environ):
            if not any(path.is_relative_to(up) or up.is_relative_to(path) for up in uploaded):
                yield path


def _source(wanted: config.BakeSettings) -> Source | None:
    if wanted.source is None:
        return None
    source = wanted.source
    return Source(id=source.id or "", owner=source.owner or "", name=source.name or "")
