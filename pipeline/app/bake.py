"""Bake an image, list the baked images, and quarantine one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pipeline import config
from pipeline.adapters.aws.bake_leftovers import Ec2Leftovers
from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.credentials import lifetime
from pipeline.adapters.aws.images import Ec2Images
from pipeline.adapters.ci.git import read_commit
from pipeline.adapters.ci.outputs import require_writable, write_ci, write_tfvars
from pipeline.adapters.clock import CloudPace, DeferringClock, speed_of
from pipeline.adapters.packer.build_locks import is_running_here, read_log
from pipeline.adapters.packer.image_catalog import ImageCatalog
from pipeline.adapters.packer.packer import Packer
from pipeline.adapters.packer.stream import parse_log
from pipeline.adapters.packer.workspace import LocalWorkplace, baked_by
from pipeline.adapters.store.image_records import ImageRecords
from pipeline.app.application import Application, Options
from pipeline.core import commands
from pipeline.core.bake.bakery import Bakery
from pipeline.core.bake.model import BakeRequest, BakeResult, Source
from pipeline.core.deploy.selection import image_of
from pipeline.core.errors import ConfigurationError
from pipeline.core.events import Message
from pipeline.core.freshness import read_until
from pipeline.core.image import STATUS_TAG, Image, ImageStatus, Usage
from pipeline.core.masking import SHORTEST, Masker, texts
from pipeline.core.preflight.checks import refusal
from pipeline.core.preflight.credentials import credential_findings

AFTERWARDS = 600.0
"""Seconds to verify, tag and record an image after its build."""
BAKE_AND_DEPLOY = "a bake and the deployment after it"


def bake(
    app: Application,
    options: Options,
    *,
    then: float = 0.0,
    before_build: Callable[[], None] = lambda: None,
) -> BakeResult:
    """Bake, or return the last good image if no input changed; write tfvars and CI outputs.

    The credentials must last for the bake and `then` for so many seconds more. `before_build`
    raises an error if what follows would be refused, so that nothing is built.
    """
    wanted = app.settings.bake_for(options.environment or None)
    secrets = secrets_of(app, wanted)
    request = request_of(app, options, wanted, secrets)
    masker = Masker(text for value in secrets.values() for text in texts(value))
    tfvars = app.inside(wanted.tfvars)
    dotenv = options.dotenv or (app.inside(wanted.dotenv) if wanted.dotenv else None)
    require_writable("[bake] tfvars", tfvars)
    if dotenv:
        require_writable("[bake] dotenv", dotenv.absolute())
    bakery = _bakery(app, wanted, request, masker, then)
    result = replace(bakery, before_build=_both(bakery.before_build, before_build)).bake(request)
    write_tfvars(tfvars, result)
    write_ci(result, app.environ, dotenv)
    return result


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def check() -> None:
        first()
        second()

    return check


def images(app: Application) -> tuple[tuple[Image, tuple[Usage, ...]], ...]:
    """Return the images of the app, newest first, each with its usages."""
    clients = Clients(app.settings.region)
    return catalog(app, clients).images(app.settings.app, app.settings.region)


def known_images(app: Application, clients: Clients) -> tuple[Image, ...]:
    """Return the images of the app, newest first."""
    return catalog(app, clients).known(app.settings.app, app.settings.region)


def catalog(app: Application, clients: Clients) -> ImageCatalog:
    """Return the catalog of the images in AWS and in the store."""
    clock = CloudPace(app.interrupts, speed_of(app.environ))
    return ImageCatalog(clients, records(app, clients, timedelta()), clock)


def quarantine(app: Application, clients: Clients, ami_id: str, reason: str) -> None:
    """Mark an image as quarantined, in the records and by its tag in AWS."""
    known = known_images(app, clients)
    image = image_of(known, ami_id, app.settings.app, app.settings.region)
    if image.name:
        records(app, clients, timedelta()).quarantine(image, reason)
    images, clock = Ec2Images(clients), DeferringClock(speed_of(app.environ))
    for region, there in image.ids.items():
        seen = read_until(partial(images.find, region, there), lambda each: each is not None, clock)
        if seen:
            images.tag(seen, {STATUS_TAG: ImageStatus.QUARANTINED})


def _bakery(
    app: Application,
    wanted: config.BakeSettings,
    request: BakeRequest,
    masker: Masker,
    then: float,
) -> Bakery:
    clients = Clients(app.settings.region)
    packer = Packer(
        environ=app.environ,
        logs=app.logs,
        cache=app.state / "packer_cache",
        report=app.report,
        interrupts=app.interrupts,
        masker=masker,
        hidden=frozenset(wanted.vars_from_env.values()),
        credentials=app.tool_credentials,
    )
    lasts = timedelta(seconds=request.timeout + request.cancel_grace + AFTERWARDS)
    return Bakery(
        baker=packer,
        images=Ec2Images(clients),
        leftovers=Ec2Leftovers(clients),
        records=records(app, clients, lasts),
        workplace=LocalWorkplace(app.interrupts, app.logs),
        clock=DeferringClock(speed_of(app.environ)),
        report=app.report,
        before_build=partial(_require_credentials, app, lasts.total_seconds(), then),
    )


def _require_credentials(app: Application, bake: float, then: float) -> None:
    """Report or refuse credentials that end before the bake, or before what follows it."""
    held = lifetime(bake, app.settings.region)
    # Packer cannot renew what it gets; this program renews between the bake and the deployment.
    renewed = held is not None and held.renew
    seconds, what = (bake, "a bake") if renewed or not then else (bake + then, BAKE_AND_DEPLOY)
    found = tuple(credential_findings(held, seconds, what))
    if any(each.blocking for each in found):
        raise refusal(found)
    for each in found:
        app.report(Message(text=f"{each.where}: {each.what}; {each.remedy}"))


def records(app: Application, clients: Clients, lasts: timedelta) -> ImageRecords:
    """Return the image records of the store; `lasts` is the longest time that a bake may take."""
    return ImageRecords(
        app.store(clients),
        runs=lambda image: is_running_here(app.logs, image.bake),
        lasts=lasts,
        logged=lambda image: parse_log(read_log(app.logs, image.bake)),
    )


def request_of(
    app: Application, options: Options, wanted: config.BakeSettings, secrets: Mapping[str, Any]
) -> BakeRequest:
    """Return the request that the configuration and the command line add up to."""
    outputs = _outputs(app, options, wanted)
    commit = read_commit(app.settings.root, app.environ, outputs)
    version = options.version or commit.describe
    if not version:
        raise ConfigurationError(
            "version",
            f"not given, and git describe finds nothing in {app.settings.root}",
            commands.bake(version="1.0.0"),
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
        outputs=outputs,
        variables={key: wanted.vars[key] for key in wanted.vars if key not in secrets},
        secrets=secrets,
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


def _source(wanted: config.BakeSettings) -> Source | None:
    if wanted.source is None:
        return None
    source = wanted.source
    return Source(id=source.id or "", owner=source.owner or "", name=source.name or "")
