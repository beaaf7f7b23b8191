"""Promote: choose an image, look whether anything speaks against it, ask, and deploy it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from pipeline.adapters.identity import runner
from pipeline.adapters.lease.lease import HeldLease
from pipeline.adapters.store.deployments import new_deployment_id
from pipeline.app.application import Application
from pipeline.app.bake import known_images
from pipeline.app.plan_preview import Confirm, PlanPreview, PromoteRequest, Unchanged
from pipeline.app.recover import (
    blaming,
    finish_first,
    finish_what_was_begun,
    require_finished,
    retire_overdue,
)
from pipeline.app.session import EnvironmentSession
from pipeline.config import EnvironmentSettings
from pipeline.core.deploy.deployer import Deployer
from pipeline.core.deploy.phases import Phase, promotion
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.deploy.selection import (
    image_of,
    minimum_after,
    new_release,
    newest_good,
    require_promotable,
    size_beside,
    size_instead,
)
from pipeline.core.errors import RefusedError
from pipeline.core.events import Message
from pipeline.core.image import Image
from pipeline.core.preflight.checks import findings, least_lifetime, refusal
from pipeline.core.preflight.facts import Facts, Proposal
from pipeline.core.preflight.finding import Finding
from pipeline.core.preflight.fleet_checks import is_lost, missing
from pipeline.core.state.deployment import Deployment, Kind, Result, result_of
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.terraform.plan_guard import Plan


def promote(
    app: Application, wanted: PromoteRequest, ask: Confirm
) -> Deployment | Unchanged | PlanPreview:
    """Put an image into service; return how it ended.

    `ask` sees the plan and says whether to go on; where it says no, the plan is returned and
    nothing was changed. Raises RefusedError and LeaseHeldError before anything was changed, and
    KeyboardInterrupt where a signal came before.
    """
    session = EnvironmentSession(app=app, environment=wanted.environment)
    session.require_balancers()
    if wanted.origin:
        app.settings.environment(wanted.origin)
    with app.interrupts.heard():
        session.require_free()
        if not wanted.recovers:
            require_finished(session.document())
        session.identify()
    finish_first(session, "promote", plan_only=wanted.plan_only)
    with app.interrupts.heard():
        document = session.document()
        image = choose(session, wanted)
    if unchanged := still_serving(session, document, image):
        return (None if wanted.plan_only else retired(session, "promote")) or unchanged
    require_promotable(
        image, allow_quarantined=wanted.allow_quarantined, environment=wanted.environment
    )
    with session.lease("promote") as held:
        finish_what_was_begun(session, held, plan_only=wanted.plan_only, recovers=wanted.recovers)
        if unchanged := still_serving(session, held.read(), image):  # it was what had been begun
            return unchanged
        return Promotion(session=session, held=held, wanted=wanted, image=image).run(ask)


def already_serving(document: Environment, image: Image) -> Unchanged | None:
    """Return that an image serves, if it does and nothing is on the way."""
    serving = document.releases.get(document.serving)
    if document.deployment or not serving or serving.release.ami_id != image.id:
        return None
    return Unchanged(environment=document.environment, release=document.serving, image=image)


def still_serving(
    session: EnvironmentSession, document: Environment, image: Image
) -> Unchanged | None:
    """Return that an image serves, if AWS says so, too: somebody may have deleted its group."""
    unchanged = already_serving(document, image)
    return unchanged if unchanged and session.stands(document) else None


def retired(session: EnvironmentSession, command: str) -> Deployment | None:
    """Remove what was kept warm for too long; return how that ended only where it ended badly."""
    if not session.document().overdue(session.pace.today()):
        return None
    with session.lease(command) as held:
        done = retire_overdue(session, held)
    return done if done and result_of(done) is Result.NEEDS_ATTENTION else None


def choose(session: EnvironmentSession, wanted: PromoteRequest) -> Image:
    """Return the image asked for: one by id, what serves elsewhere, or the newest good one."""
    app = session.app
    images = known_images(app, session.clients)
    ami_id = wanted.image
    if wanted.origin:
        ami_id = serving_in(
            EnvironmentSession(app=app, environment=wanted.origin, account=session.account)
        )
    if ami_id:
        return image_of(images, ami_id, app.settings.app, app.settings.region)
    return newest_good(images, wanted.environment)


def serving_in(session: EnvironmentSession) -> str:
    """Return the AMI that serves in an environment; raises RefusedError where none does."""
    document = session.document()
    serving = document.releases.get(document.serving)
    if serving is None:
        where, name = "--from", session.environment
        raise RefusedError(where, f"nothing serves in {name}", f"ami-pipeline status -e {name}")
    return serving.release.ami_id


@dataclass(kw_only=True)
class Promotion:
    """One promotion under the lease, from its preflight to its end."""

    session: EnvironmentSession
    held: HeldLease
    wanted: PromoteRequest
    image: Image
    kind: Kind = Kind.PROMOTE

    def run(self, ask: Confirm) -> Deployment | PlanPreview:
        """Look, plan, ask, deploy."""
        document = self.held.read()
        with self.session.app.interrupts.heard():
            world, planned, kept = self._prospect(document)
            if not asked(ask, planned, world):
                return planned
        deployment = planned.deployment
        self._begin(world, planned, kept)
        world.ledger.record(deployment)
        closing = blaming(self.session, self.held, deployment)
        report = self.session.app.report
        deployer = Deployer(world=world, deployment=deployment, report=report, closing=closing)
        return deployer.run(planned.phases)

    def _begin(self, world: Reconciler, planned: PlanPreview, kept: ReleaseRecord) -> None:
        """Write down that it begins; where that cannot be, leave nothing of the plan."""
        try:
            self.held.update(lambda current: current.begun(planned.deployment, kept))
        except BaseException:
            if planned.plan:
                world.resources.discard(planned.plan)
            raise

    def _prospect(self, document: Environment) -> tuple[Reconciler, PlanPreview, ReleaseRecord]:
        """Look and plan, changing nothing; return what a person is asked about."""
        deployment = self._deployment(document)
        facts, proposal = self._survey(document, deployment)
        lost = document.releases[document.serving] if is_lost(facts, proposal) else None
        if lost:
            document = document.bereft(deployment.began)
            deployment = replace(deployment, blue="")
            facts, proposal = self._survey(document, deployment, lost)
        found = self._judged(facts, proposal)
        world = self.session.world(self.session.ledger(self.held, deployment))
        # What rings already says nothing of green; without a person's word nothing may ring.
        world.policy = world.policy.without_alarms(facts.alarms)
        world.draining = max((each.drain_seconds for each in facts.balancers or ()), default=0.0)
        blue = (
            facts.observation.groups.get(world.group(document.serving))
            if facts.observation
            else None
        )
        size = size_instead(self._settings.size, lost)
        minimum = minimum_after(size, blue)
        deployment = replace(deployment, minimum=minimum)
        kept = new_release(
            document,
            self.image,
            size_beside(size, blue),
            minimum=minimum,
            deployment=deployment.id,
            root_device=facts.image.root_device if facts.image else "",
        )
        world.lost = world.vanished(missing(facts, proposal))
        plan = self._plan(world, document, kept)
        planned = PlanPreview(
            deployment=deployment,
            phases=tuple(self._phases(document, deployment)),
            policy=world.policy,
            findings=found,
            plan=plan,
        )
        world.prepared = planned.plan
        return world, planned, kept

    def _deployment(self, document: Environment) -> Deployment:
        today = self.session.pace.today()
        return Deployment(
            id=new_deployment_id(today),
            kind=self.kind,
            environment=self.wanted.environment,
            green=f"r{document.next:06}",
            blue=document.serving,
            began=today,
            by=runner(self.session.app.environ),
            image=self.image.id,
            version=self.image.version,
            keep_failed=self.wanted.keep_failed,
        )

    def _survey(
        self, document: Environment, deployment: Deployment, lost: ReleaseRecord | None = None
    ) -> tuple[Facts, Proposal]:
        """Return what AWS says of what is to be done; `lost` is what served and is gone."""
        from pipeline.adapters.aws.balancer_settings import describe
        from pipeline.adapters.aws.preflight import PreflightReader

        session, settings = self.session, self._settings
        region = session.app.settings.region
        there, absent = session.sought
        proposal = Proposal(
            place=session.place(there),
            environment=document,
            image_id=self.image.id,
            instance_type=settings.instance_type,
            count=size_instead(settings.size, lost).desired,
            seconds=least_lifetime(session.policy),
            account=settings.account or "",
            green=deployment.green,
            recorded=bool(self.image.name),
            subnets=subnets_of(session),
            mends=self.kind is Kind.ROLLBACK or self.wanted.allow_unhealthy,
            retires=session.policy.keep == 0,
            absent=absent,
        )
        if lost:
            name = proposal.group(lost.release.name)
            proposal = replace(proposal, lost=name)
        alarms = session.policy.alarms
        survey = PreflightReader(
            session.clients,
            session.groups,
            lambda balancers: describe(session.clients, region, balancers),
            checks=[session.app.terraform(session.environment).version],
            alarms=partial(session.alarms.ringing, alarms) if alarms else None,
        )
        return survey.facts(proposal), proposal

    def _judged(self, facts: Facts, proposal: Proposal) -> tuple[Finding, ...]:
        """Return what speaks against it; raises RefusedError where much does."""
        found = findings(facts, proposal)
        if any(each.blocking for each in found):
            raise refusal(found)
        report = self.session.app.report
        for each in found:
            report(Message(text=f"{each.where}: {each.what}; {each.remedy}"))
        return found

    def _phases(self, document: Environment, deployment: Deployment) -> list[Phase]:
        # What is rolled back from is bad: nobody needs it warm.
        keep = self.session.policy.keep != 0 and self.kind is not Kind.ROLLBACK
        blue = document.serving
        warm = [name for name in document.releases if name != blue]
        return promotion(blue, deployment.green, warm=warm, keep=keep)

    def _plan(self, world: Reconciler, document: Environment, kept: ReleaseRecord) -> Plan:
        """Plan the launch beside all that exists; refuses to touch anything else.

        What somebody deleted is forgotten by the same plan: another would make it again.
        """
        lost, releases = world.lost, document.releases
        wanted = [each.release for name, each in releases.items() if name not in lost]
        green = frozenset({kept.release.name})
        return world.resources.plan([*wanted, kept.release], creates=green, deletes=lost)

    @property
    def _settings(self) -> EnvironmentSettings:
        return self.session.app.settings.environment(self.wanted.environment)


def asked(ask: Confirm, planned: PlanPreview, world: Reconciler) -> bool:
    """Return the answer; unless it is yes, leave nothing of the plan behind."""
    answer = False
    try:
        answer = ask(planned)
    finally:
        if planned.plan and not answer:
            world.resources.discard(planned.plan)
    return answer


def subnets_of(session: EnvironmentSession) -> tuple[str, ...]:
    """Return the subnets that Terraform is told by configuration, where they are ids."""
    given = session.app.settings.terraform_for(session.environment).inputs.get("subnet_ids", ())
    listed = given if isinstance(given, (list, tuple)) else ()
    return tuple(each for each in listed if isinstance(each, str) and each.startswith("subnet-"))
