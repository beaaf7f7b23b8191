"""Run the hooks of a point: on this machine or on instances, and some only once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipeline.core import commands
from pipeline.core.deploy.observer import Observer
from pipeline.core.deploy.phase import Phase
from pipeline.core.deploy.ports import Ledger
from pipeline.core.deploy.reconciler import Reconciler
from pipeline.core.errors import FailedError, PipelineError, RefusedError
from pipeline.core.events import Message, Report
from pipeline.core.health.place import Place
from pipeline.core.hooks.hook import Hook, HookResult, On, OnceRun, Point, Runs
from pipeline.core.state.deployment import Deployment, Kind, Outcome
from pipeline.core.validation.phases import BACK, TRAITS, family

LONGEST_REASON = 1000
"""Characters of a failure's reason in a hook's environment."""
_WITHOUT_GREEN = frozenset({Point.BEFORE_LAUNCH, Point.ON_FAILURE})
"""The points at which green's group does not exist (any more)."""

_WITH_HOOKS = frozenset({Kind.PROMOTE, Kind.ROLLBACK, Kind.REBUILD})
"""The deployments that put a release into service; the others only delete groups."""
_ACCEPTING = frozenset({Point.AFTER_LAUNCH, Point.BEFORE_TRAFFIC})
"""The points at which hooks accept a release before it has traffic."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HookRunner:
    """What runs the hooks of one deployment, with the journal's entries before and after each."""

    reconciler: Reconciler
    report: Report

    @property
    def _ledger(self) -> Ledger:
        return self.reconciler.ledger

    @property
    def _observer(self) -> Observer:
        return self.reconciler.observer

    def select(self, points: Iterable[Point], deployment: Deployment) -> list[Hook]:
        """Return the hooks of these points, in order; none if groups are only deleted.

        A drill has no traffic: it runs those that accept a release, and never one with `once`.
        """
        hooks = self.reconciler.policy.hooks
        among = hooks if deployment.kind in _WITH_HOOKS else ()
        if deployment.kind is Kind.DRILL:
            among = tuple(each for each in hooks if each.at in _ACCEPTING and not each.once)
        return [each for point in points for each in among if each.at is point]

    def run(self, hook: Hook, deployment: Deployment, outcome: Outcome | None = None) -> None:
        """Run a hook; raises FailedError with its output if it fails.

        `outcome` is known at the points that follow it. Raises RefusedError if it is a hook with
        `once` that began before and whose end is unknown.
        """
        release = deployment.green if hook.on is On.GREEN else deployment.blue
        on_instance = hook.run is Runs.INSTANCE
        if on_instance and not (release and self._members(release)):
            name = release or f"{hook.on}, which does not exist"
            self._say(f"{hook}: skipped, because no instance of {name} is in service")
            return
        facts = self._facts(hook, deployment, outcome)

        def members() -> tuple[str, ...]:
            return self._members(release) if on_instance else ()

        if hook.once and deployment.kind is Kind.ROLLBACK:
            self._say(f"{hook}: skipped, because a rollback goes back")
        elif hook.once:
            self._run_once(hook, deployment, facts, members)
        else:
            self._require_success(hook, self._run(hook, facts, members))

    def _run(
        self, hook: Hook, facts: Mapping[str, str], members: Callable[[], tuple[str, ...]]
    ) -> HookResult:
        about = {"at": str(hook.at), "command": list(hook.command)}
        self._ledger.intend("hook", **about)
        self._say(str(hook))
        result = self.reconciler.hooks.run(hook, facts, members)
        self._ledger.done("hook", **about, code=result.code)
        return result

    def _run_once(
        self,
        hook: Hook,
        deployment: Deployment,
        facts: Mapping[str, str],
        members: Callable[[], tuple[str, ...]],
    ) -> None:
        """Run a hook unless it succeeded for this image; record its beginning and its end."""
        run = OnceRun(
            image=deployment.image,
            at=hook.at,
            command=hook.command,
            deployment=deployment.id,
            release=deployment.green,
            began=self._observer.pace.today(),
        )
        known = self._ledger.find_once(run)
        if known and known.is_done:
            self._say(f"{hook}: skipped, because it ran for {run.image} at {known.ended}")
            return
        if known and known.is_unknown:
            raise unknown_end(known, deployment.environment)
        self._ledger.begin_once(run)
        result = self._run(hook, facts, members)
        if result.code is not None:
            self._ledger.end_once(run, result.code)
        self._require_success(hook, result)

    def _require_success(self, hook: Hook, result: HookResult) -> None:
        """Keep what a hook printed, and raise FailedError if it failed."""
        where = ""
        if result.output.strip():
            with suppress(PipelineError):  # the output is for people: its loss decides nothing
                where = self._ledger.keep(f"{hook.at}.txt", result.output)
        if result.failure:
            environment = self._observer.place.environment
            read = f"read {where}" if where else commands.history(environment)
            remedy = result.remedy or read
            raise FailedError(str(hook), result.failure, remedy)

    def _facts(self, hook: Hook, deployment: Deployment, outcome: Outcome | None) -> dict[str, str]:
        group = self._observer.group(deployment.green)
        exists = hook.at not in _WITHOUT_GREEN
        addresses = self._observer.groups.addresses(group) if exists else ()
        place = self._observer.place
        test = next((each.test for each in place.pairs if each.test), "") if exists else ""
        return hook_facts(
            hook,
            deployment,
            place,
            group,
            addresses,
            test_url=self._observer.groups.url_of(test) if test else "",
            outcome=outcome,
        )

    def _members(self, release: str) -> tuple[str, ...]:
        """Return the instances of a release that are in service."""
        observation = self._observer.observe_complete({release}, targets=False)
        group = observation.groups.get(self._observer.group(release))
        members = group.members if group and not group.status else ()
        return tuple(sorted(each.id for each in members if each.lifecycle == "InService"))

    def _say(self, text: str) -> None:
        self.report(Message(text=text))


def over(deployment: Deployment, phases: Sequence[Phase]) -> tuple[str, ...]:
    """Return the phases that earlier runs performed, if these ones continue forward."""
    if not phases or phases[0].has(BACK):
        return ()
    done = (run.name for run in deployment.phases if not run.fault)
    return tuple(name for name in done if family(name) in TRAITS)


def unknown_end(run: OnceRun, environment: str) -> RefusedError:
    """Return the refusal to run a hook with `once` again that may have run already."""
    return RefusedError(
        str(run),
        f"began for {run.image} at {run.began} in {run.deployment}, and its end is unknown: "
        "it is not run again, because it may have changed something",
        commands.state_hooks(environment),
    )


def hook_facts(
    hook: Hook,
    deployment: Deployment,
    place: Place,
    group: str,
    addresses: Sequence[str],
    *,
    test_url: str = "",
    outcome: Outcome | None = None,
) -> dict[str, str]:
    """Return the environment variables of a hook; `group` and `addresses` are green's.

    `test_url` is that of the test listener of the first pair that has one.
    """
    facts = {
        "APP": place.app,
        "ENVIRONMENT": place.environment,
        "REGION": place.region,
        "DEPLOYMENT": deployment.id,
        "KIND": str(deployment.kind),
        "PHASE": deployment.phase,
        "POINT": str(hook.at),
        "RELEASE": deployment.green,
        "PREVIOUS_RELEASE": deployment.blue,
        "IMAGE": deployment.image,
        "VERSION": deployment.version,
        "GROUP": group,
        "ADDRESSES": " ".join(addresses),
        "TEST_URL": test_url,
        "OUTCOME": str(outcome.result) if outcome else "",
        "REASON": outcome.reason.replace("\0", "")[:LONGEST_REASON] if outcome else "",
    }
    return {f"AMI_PIPELINE_{name}": value for name, value in facts.items()}
