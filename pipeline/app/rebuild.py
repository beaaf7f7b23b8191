"""Rebuild, the nightly job: bake if an input changed, promote if what serves is another image."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline.app.application import Application, Options
from pipeline.app.bake import bake, records
from pipeline.app.plan_preview import PromoteRequest, Unchanged
from pipeline.app.promote import Promotion, retired, still_serving
from pipeline.app.recover import finish_first, finish_what_was_begun, require_finished
from pipeline.app.session import EnvironmentSession
from pipeline.core.deploy.rebuild_policy import require_no_rollback, require_unchanged
from pipeline.core.deploy.selection import require_promotable
from pipeline.core.state.deployment import Deployment, Kind
from pipeline.core.state.environment import Environment

REMEMBERED = 50
"""Deployments that are searched for the one that put into service what serves."""


def rebuild(app: Application, options: Options, *, recovers: bool = True) -> Deployment | Unchanged:
    """Bake where an input changed, promote where another image serves; return how it ended.

    Asks nobody. What a run that died had begun is finished first, unless it is to be left
    (`recovers`). Raises RefusedError where a person decided what serves: by a rollback, by
    promoting another version, or by any deployment while this one baked.
    """
    session = EnvironmentSession(app=app, environment=options.environment)
    session.require_balancers()
    session.require_free()
    before = session.document()
    if not recovers:
        require_finished(before)
    if before.deployment:
        with app.interrupts.heard():
            session.identify()
        finish_first(session, "rebuild")
        before = session.document()
    require_no_rollback(before, session.deployments.history(options.environment, REMEMBERED))
    with app.interrupts.heard():
        image = bake(app, replace(options, environment=baked_for(session, before))).image
    if unchanged := still_serving(session, before, image):
        return retired(session, "rebuild") or unchanged
    require_promotable(image, allow_quarantined=False, environment=options.environment)
    with app.interrupts.heard():
        session.identify()
    with session.lease("rebuild") as held:
        finish_what_was_begun(session, held, recovers=recovers)
        if unchanged := still_serving(session, held.read(), image):  # it was what had been begun
            return unchanged
        history = session.deployments.history(options.environment, REMEMBERED)
        require_unchanged(before, held.read(), image, history)
        wanted = PromoteRequest(environment=options.environment)
        promotion = Promotion(
            session=session, held=held, wanted=wanted, image=image, kind=Kind.REBUILD
        )
        done = promotion.run(lambda _: True)
    assert isinstance(done, Deployment)  # noqa: S101 - nobody was there to say no
    return done


def baked_for(session: EnvironmentSession, before: Environment) -> str:
    """Return the environment to bake for, as what serves was baked: for this one, or for any."""
    serving = before.releases.get(before.serving)
    if serving is None:
        return session.environment
    app, known = session.app.settings.app, records(session.app, session.clients, timedelta())
    image = known.find(app, serving.release.ami_id)
    return "" if image and not image.environment else session.environment
