"""Promote: choose an image, check everything that can be checked, confirm, and deploy it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.app.application import Application
from pipeline.app.baked_images import known_images
from pipeline.app.environment.freezes import gate_of
from pipeline.app.environment.image_choice import choose
from pipeline.app.environment.interrupted import handling
from pipeline.app.environment.leased import LeasedEnvironment, retire_overdue
from pipeline.app.environment.once import require_known_ends
from pipeline.app.environment.policies import policies_of
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.serving import LOST, require_serving
from pipeline.app.environment.session import EnvironmentSession, SessionOptions
from pipeline.app.reports.changes import Comparison
from pipeline.app.survey import Survey, given_to, serving_group
from pipeline.config import EnvironmentSettings
from pipeline.core import commands
from pipeline.core.deploy.phase import Manner, Phase
from pipeline.core.deploy.phases import promotion
from pipeline.core.deploy.plan import Confirm, PlanPreview, PromoteRequest, Unchanged, pauses_of
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.deploy.selection.release import (
    first_size,
    minimum_after,
    new_release,
    require_promotable,
    size_beside,
    size_instead,
)
from pipeline.core.deploy.sizes.limits import limits_of
from pipeline.core.deploy.ways_back import drill, removing_later
from pipeline.core.errors import ConfigurationError
from pipeline.core.events import Message
from pipeline.core.freezing.freeze import NOT_FROZEN, FreezeState
from pipeline.core.health.observation import ObservedGroup
from pipeline.core.image import Image
from pipeline.core.preflight.additions import addition_findings
from pipeline.core.preflight.checks import findings, refusal
from pipeline.core.preflight.facts import Facts, Proposal
from pipeline.core.preflight.finding import Finding
from pipeline.core.preflight.fleet_checks import is_lost, leaving, missing
from pipeline.core.probe.tally import ProbeTotals
from pipeline.core.state.deployment import Deployment, Kind, Result, result_of
from pipeline.core.state.environment import Environment, ReleaseRecord
from pipeline.core.state.release import Size
from pipeline.core.state.strategy import Step
from pipeline.core.terraform.plan_guard import Plan
from pipeline.core.terraform.program import TERRAFORM, change_of, replace_provider


def promote(
    app: Application, request: PromoteRequest, confirm: Confirm
) -> Deployment | Unchanged | PlanPreview:
    """Put an image into service; return how it ended, or the plan if it was not confirmed.

    Raises RefusedError or LeaseHeldError before anything is changed, and KeyboardInterrupt for a
    signal that comes before.
    """
    if request.origin:
        app.settings.environment(request.origin)
    if request.keep_failed:
        _require_keepable(app, request)
    interrupted = handling(plan_only=request.plan_only, recovers=request.recovers)
    options = SessionOptions(
        command="promote",
        interrupted=interrupted,
        finish_first=True,
        change_program=request.change_program,
        wait=request.wait,
        freeze=gate_of(request, Kind.PROMOTE),
        plans=True,
    )
    session = EnvironmentSession.begin(app, request.environment, options)
    with app.interrupts.heard():
        known = known_images(app, session.reader.clients)
        image = choose(session.reader, request, known)
    if not request.redeploy and (
        unchanged := serves_already(session.reader, session.document, image)
    ):
        return (None if request.plan_only else retire_failed(session)) or unchanged
    again = commands.promote(request.environment, image.id, allow_quarantined=True)
    require_promotable(image, allow_quarantined=request.allow_quarantined, again=again)
    with session.lease() as leased:
        if not request.redeploy and (
            unchanged := serves_already(session.reader, leased.document(), image)
        ):
            return unchanged  # The interrupted deployment that was just finished promoted it.
        return Promotion(leased=leased, request=request, image=image, known=known).run(confirm)


def _require_keepable(app: Application, request: PromoteRequest) -> None:
    """Raise ConfigurationError if a failed group would go on working: it has no load balancer."""
    if EnvironmentReader(app=app, environment=request.environment).is_worker:
        what = "a failed worker that is kept would go on working: "
        what += f"[environments.{request.environment}] has no load balancers"
        again = commands.promote(request.environment, request.image)
        raise ConfigurationError("--keep-failed", what, f"without it: {again}")


def serves_already(
    reader: EnvironmentReader, document: Environment, image: Image, *, may_be_empty: bool = False
) -> Unchanged | None:
    """Return that an image serves with the configured inputs, if the document and AWS say so.

    None if it does not, or if its group is gone. With `may_be_empty`, a group that was scaled to
    zero needs nothing. Raises RefusedError with a remedy if AWS shows that the group does not
    serve.
    """
    serving = document.releases.get(document.serving)
    if document.deployment or not serving or serving.release.ami_id != image.id:
        return None
    if serving.adopted:
        return None  # Its inputs are not known to be those of the configuration.
    found = require_serving(reader, document, may_be_empty=may_be_empty)
    if found.trouble in LOST or reader.changed_inputs(document):
        return None
    note = "" if found.is_complete else found.what
    return Unchanged(
        environment=document.environment, release=document.serving, image=image, note=note
    )


def retire_failed(session: EnvironmentSession) -> Deployment | None:
    """Delete the groups that were kept warm for too long; return that only if it failed."""
    if not session.reader.document().overdue(session.reader.pace.today()):
        return None
    with session.lease() as leased:
        done = retire_overdue(leased)
    return done if done and result_of(done) is Result.NEEDS_ATTENTION else None


_TO_EARLIER = frozenset({Kind.ROLLBACK, Kind.DRILL})
"""The deployments of an image that has served before."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A promotion that is checked and planned, ready to begin.

    `green` is the new release.
    """

    reconciler: Reconciler
    preview: PlanPreview
    green: ReleaseRecord

    def discard_plan(self) -> None:
        """Delete Terraform's saved plan, if there is one."""
        if self.preview.plan:
            self.reconciler.resources.discard(self.preview.plan)


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One promotion under the lease, from its preflight to its end.

    `known` are the images of the app, as far as they were read. `quick` says why it does not soak
    and observe, empty if it does. `proves` is the earlier release whose rollback it only tries, in
    a drill.
    """

    leased: LeasedEnvironment
    request: PromoteRequest
    image: Image
    known: Sequence[Image] = ()
    kind: Kind = Kind.PROMOTE
    quick: str = ""
    proves: str = ""

    def run(self, confirm: Confirm) -> Deployment | PlanPreview:
        """Check, plan, confirm and deploy."""
        gate = gate_of(self.request, self.kind)
        with self._reader.app.interrupts.heard():
            prepared = self._prepare(self.leased.document())
            if not confirmed(confirm, prepared):
                return prepared.preview
        deployment = prepared.preview.deployment
        try:
            if gate:
                deployment = replace(deployment, override=gate.override(self._reader))
            self.leased.begin(prepared.reconciler, deployment, prepared.green)
        except BaseException:
            prepared.discard_plan()
            raise
        success = Result.PROVEN if self.kind is Kind.DRILL else Result.PROMOTED
        return self.leased.run(prepared.reconciler, deployment, prepared.preview.phases, success)

    def _prepare(self, document: Environment) -> Prepared:
        """Check and plan without changing anything."""
        if self.kind is not Kind.ROLLBACK:
            require_known_ends(self._reader, self.image.id)
        gate = gate_of(self.request, self.kind)
        frozen = gate.require(self._reader) if gate else NOT_FROZEN
        self._reader.start_provider(document)
        deployment = self._deployment(document, frozen)
        survey = Survey(reader=self._reader, request=self.request, image=self.image, kind=self.kind)
        facts, proposal = survey.facts(document, deployment.green)
        gone = is_lost(facts, proposal) and not self._reader.serving_group_exists(document)
        lost = document.releases[document.serving] if gone else None
        if lost:
            document = document.without_serving(deployment.began)
            deployment = replace(deployment, blue="")
            facts, proposal = survey.facts(document, deployment.green, lost)
        found = self._checked(facts, proposal)
        # An alarm that is firing already says nothing about green. Preflight refused the promotion
        # unless --allow-unhealthy was given.
        muted = self._reader.policy.firing(facts.alarms)
        deployment = replace(deployment, detach=leaving(facts, proposal), muted=muted)
        reconciler = self._reconciler(deployment, facts, proposal)
        blue = serving_group(reconciler, document, facts)
        whole = self._size(document, blue, lost)
        green = self._new_release(document, deployment, facts, blue, whole)
        before = limits_of(blue) if blue else None
        brings = Comparison(reader=self._reader, known=self.known, policy=reconciler.policy)
        changes = brings.of_promotion(document, deployment, self.image, green, whole, blue)
        deployment = replace(deployment, minimum=green.minimum, before=before, changes=changes)
        if facts.probe_failure:
            deployment = replace(deployment, probe=ProbeTotals(ignored=True))
        plan = self._plan(reconciler, document, green)
        reconciler.prepared = plan
        found = (*found, *self._reported(self._additions(facts, proposal, plan)))
        found = (*found, *self._reported(self._change_of_program(document)))
        how = replace(reconciler.manner, steps=self._steps)
        phases = self._phases(document, deployment, how)
        if self.kind not in _TO_EARLIER:  # which never wait for a person
            pauses = pauses_of(phases, reconciler.policy, self.request)
            deployment = replace(deployment, pause_before=pauses)
        preview = PlanPreview(
            deployment=deployment,
            phases=phases,
            policy=reconciler.policy,
            findings=found,
            plan=plan,
            quick=self.quick,
            frozen=frozen,
            policies=policies_of(self._reader.app, deployment),
        )
        return Prepared(reconciler=reconciler, preview=preview, green=green)

    def _deployment(self, document: Environment, frozen: FreezeState) -> Deployment:
        green, why = f"r{document.next:06}", self.request.why
        return replace(
            self.leased.new_deployment(self.kind, green=green, blue=document.serving, why=why),
            image=self.image.id,
            version=self.image.version,
            keep_failed=self.request.keep_failed,
            proves=self.proves,
            override=frozen.describe() if self.request.override_freeze else "",
        )

    def _reconciler(self, deployment: Deployment, facts: Facts, proposal: Proposal) -> Reconciler:
        delays = facts.delays
        if deployment.detach:
            delays = self._reader.read_delays(deployment.detach)
        policy = replace(self._reader.policy, delays=delays)
        if self.quick:
            policy = replace(policy, soak=0.0, observe=0.0, analysis=None)
        reconciler = self.leased.reconciler(deployment, policy)
        reconciler.deleted = reconciler.observer.find_deleted(missing(facts, proposal))
        return reconciler

    def _size(
        self, document: Environment, blue: ObservedGroup | None, lost: ReleaseRecord | None
    ) -> Size:
        """Return the size of the whole new group; a canary by members launches a part of it."""
        changed = {each.name for each in self._reader.changed_inputs(document)}
        return size_beside(size_instead(self._settings.size, lost), blue, changed)

    def _new_release(
        self,
        document: Environment,
        deployment: Deployment,
        facts: Facts,
        blue: ObservedGroup | None,
        whole: Size,
    ) -> ReleaseRecord:
        changed = {each.name for each in self._reader.changed_inputs(document)}
        return new_release(
            document,
            self.image,
            first_size(whole, self._first_part, blue),
            minimum=minimum_after(self._settings.size, blue, changed),
            deployment=deployment.id,
            root_device=facts.image.root_device if facts.image else "",
            inputs=self._reader.inputs(),
        )

    @property
    def _first_part(self) -> tuple[Step, ...]:
        batches = self._reader.policy.batches
        return (batches.green(1),) if batches else self._steps

    @property
    def _steps(self) -> tuple[Step, ...]:
        """The steps of a canary; a rollback has none, because its image has served before."""
        return () if self.kind in _TO_EARLIER else self._reader.policy.steps

    def _checked(self, facts: Facts, proposal: Proposal) -> tuple[Finding, ...]:
        """Report and return what preflight found; raises RefusedError if a finding is blocking."""
        found = findings(facts, proposal)
        if any(each.blocking for each in found):
            raise refusal(found)
        return self._reported(found)

    def _reported(self, found: Iterable[Finding]) -> tuple[Finding, ...]:
        """Report and return notices."""
        notices = tuple(found)
        for each in notices:
            text = f"{each.where}: {each.what}; {each.remedy}"
            self._reader.app.report(Message(text=text))
        return notices

    def _additions(self, facts: Facts, proposal: Proposal, plan: Plan) -> Iterator[Finding]:
        """Yield what the serving group has attached and the plan does not give the next release."""
        blue = facts.observation.groups.get(proposal.blue) if facts.observation else None
        if facts.attached is None or blue is None:
            return
        attached = replace(facts.attached, suspended=blue.suspended, tags=frozenset(blue.tags))
        given = given_to(plan, proposal.green, self._reader.shipped_inputs())
        yield from addition_findings(blue.name, attached, given)

    def _change_of_program(self, document: Environment) -> Iterator[Finding]:
        """Yield that another program than before has planned; preflight allowed it."""
        if not self._reader.change_program:
            return
        terraform = self._reader.terraform(document)
        program = terraform.program()
        if what := change_of(program, terraform.choice):
            root = self._reader.app.root(self._reader.environment)
            moves = f"unless that is done already: {replace_provider(root.folder)}"
            back = f"to change back later: {commands.docs('terraform')}"
            yield Finding(
                where="[terraform] program",
                what=what,
                remedy=moves if program.product is TERRAFORM else back,
                blocking=False,
            )

    def _phases(self, document: Environment, deployment: Deployment, how: Manner) -> list[Phase]:
        # A release that is rolled back from is bad, so it is not kept warm.
        keep = self._reader.policy.keep != 0 and self.kind is not Kind.ROLLBACK
        blue = document.serving
        warm = [name for name in document.releases if name != blue]
        if self.kind is Kind.DRILL:
            return drill(blue, deployment.green, warm, how)
        phases = promotion(blue, deployment.green, warm=warm, keep=keep, how=how)
        return removing_later(phases) if self.request.removes_later else phases

    def _plan(self, reconciler: Reconciler, document: Environment, green: ReleaseRecord) -> Plan:
        """Plan the launch of green; refuses a plan that changes any other group.

        The plan also drops groups that were deleted outside ami-pipeline: Terraform would create
        them again.
        """
        deleted = reconciler.deleted
        wanted = [*document.in_terraform(document.releases.keys() - deleted), green.release]
        creates, deletes = frozenset({green.release.name}), deleted - document.adopted
        return reconciler.resources.plan(wanted, creates=creates, deletes=deletes)

    @property
    def _reader(self) -> EnvironmentReader:
        return self.leased.reader

    @property
    def _settings(self) -> EnvironmentSettings:
        return self._reader.app.settings.environment(self.request.environment)


def confirmed(confirm: Confirm, prepared: Prepared) -> bool:
    """Return the answer to the preview; discard Terraform's plan unless it is yes."""
    answer = False
    try:
        answer = confirm(prepared.preview)
    finally:
        if not answer:
            prepared.discard_plan()
    return answer
