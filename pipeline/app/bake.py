"""Bake an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

from pipeline import config
from pipeline.adapters.aws.bake_leftovers import Ec2Leftovers
from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.credentials import lifetime
from pipeline.adapters.aws.images import Ec2Images
from pipeline.adapters.ci.outputs import require_writable, write_ci, write_tfvars
from pipeline.adapters.clock import DeferringClock, speed_of
from pipeline.adapters.packer.packer import Packer
from pipeline.adapters.packer.template_source import read_source
from pipeline.adapters.packer.workspace import LocalWorkplace
from pipeline.app.application import Application, Options
from pipeline.app.bake_request import hidden_values, request_of, secrets_of
from pipeline.app.baked_images import records
from pipeline.core.bake.bakery import Bakery
from pipeline.core.bake.model import BakeRequest, BakeResult
from pipeline.core.events import Message
from pipeline.core.masking import Masker, texts
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
    before_build: Callable[[str], None] = lambda _: None,
) -> BakeResult:
    """Bake, or return the last good image if no input changed; write tfvars and CI outputs.

    The credentials must last for the bake and `then` for so many seconds more. `before_build`
    gets the version, and raises an error if what follows would be refused, so that nothing is
    built.
    """
    if app.settings.environments:
        app.require_lasting_state()
    wanted = app.settings.bake_for(options.environment or None)
    secrets = secrets_of(app, wanted)
    source = read_source(app.inside(wanted.template))
    request = request_of(app, options, wanted, secrets, source)
    hidden = (*secrets.values(), *hidden_values(app, wanted, source))
    masker = Masker(text for value in hidden for text in texts(value))
    tfvars = app.inside(wanted.tfvars)
    dotenv = options.dotenv or (app.inside(wanted.dotenv) if wanted.dotenv else None)
    require_writable("[bake] tfvars", tfvars)
    if dotenv:
        require_writable("[bake] dotenv", dotenv.absolute())
    bakery = _bakery(app, wanted, request, masker, then)
    check = _both(bakery.before_build, partial(before_build, request.version))
    result = replace(bakery, before_build=check).bake(request)
    write_tfvars(tfvars, result)
    write_ci(result, app.environ, dotenv)
    return result


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def check() -> None:
        first()
        second()

    return check


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
        workplace=LocalWorkplace(app.interrupts, app.logs, app.report),
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
