"""Read every fact that preflight checks, at the same time: about two round trips in all.

A failed read is a fact, too: preflight reports all failures at once, so nothing here stops at the
first one. This module only reads. `queries` has the calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import Any, Generic, TypeVar

from pipeline.adapters.aws.client import IDENTITY, Clients, translate_errors
from pipeline.adapters.aws.credentials import read_credentials
from pipeline.adapters.aws.group_parsing import read_all_groups, read_hold
from pipeline.adapters.aws.images import read_image_facts
from pipeline.adapters.aws.members.journals import read_online
from pipeline.adapters.aws.preflight import queries
from pipeline.core.deploy.ports import GroupReader
from pipeline.core.errors import PipelineError
from pipeline.core.health.observation import Balancer, Observation, ObservedGroup
from pipeline.core.permissions.probes import Launch, PermissionFacts
from pipeline.core.preflight.facts import BalancerFacts, Facts, Failure, GroupFacts, Proposal

Describe = Callable[[Sequence[Balancer]], tuple[BalancerFacts, ...]]
ObservedGroups = tuple[ObservedGroup, ...]
Query = Callable[[], Any]
Result = TypeVar("Result")
Queries = dict[str, Query]

THREADS = 16
"""More than there are queries, because one of them waits for the result of another."""

NAMES = {
    "identity": IDENTITY,
    "credentials": IDENTITY,
    "image": "reading the image",
    "type": "reading the instance type",
    "groups": "reading the groups",
    "templates": "reading launch templates",
    "refreshes": "reading instance refreshes",
    "subnets": "reading the subnets",
    "balancers": "reading the load balancers",
    "observation": "reading the server groups",
    "group_quota": "reading the quota of groups",
    "vcpus": "reading the quota of vCPUs",
    "targets": "reading the quota of targets",
    "alarms": "reading the alarms",
    "probe_failure": "trying the probe",
    "permissions": "checking permissions",
    "attached": "reading what is attached to the serving group",
    "hold": "reading the termination hooks of the serving group",
    "unmanaged": "reading which members Systems Manager manages",
}
"""What each query does, by the field of `Facts` that holds its result."""
OPTIONAL = frozenset(
    {"group_quota", "vcpus", "targets", "permissions", "attached", "hold", "unmanaged"}
)
"""Queries whose failure does not stop a deployment."""


class PreflightReader:
    """Reads the facts for preflight and runs further checks at the same time.

    A check is Terraform's version, for example: its error becomes a failure, its result is not
    used here. `describe` reads the load balancers' settings, `alarms` returns the firing alarms.
    `probe` returns what is wrong with the answers of the serving release, empty for nothing.
    `permissions` proves what a launch needs.
    """

    def __init__(
        self,
        clients: Clients,
        groups: GroupReader,
        describe: Describe,
        checks: Sequence[Callable[[], object]] = (),
        alarms: Callable[[], tuple[str, ...]] | None = None,
        probe: Callable[[], str] | None = None,
        permissions: Callable[[Launch], PermissionFacts] | None = None,
    ) -> None:
        self._clients = clients
        self._groups = groups
        self._describe = describe
        self._checks = checks
        self._alarms = alarms
        self._probe = probe
        self._permissions = permissions

    def facts(self, proposal: Proposal) -> Facts:
        """Read the facts about a proposal; a failed read is in `failures`."""
        run = _Run(region=proposal.place.region)
        with ThreadPoolExecutor(THREADS) as pool:
            first = self._fleet_queries(proposal) | self._launch_queries(proposal)
            started = {name: pool.submit(run.query, name, first[name]) for name in first}
            subnets = self._subnet_query(proposal, started["groups"])
            started["subnets"] = pool.submit(run.query, "subnets", subnets)
            if proposal.blue and proposal.instance_hook:
                unmanaged = self._command_query(proposal, started["observation"])
                started["unmanaged"] = pool.submit(run.query, "unmanaged", unmanaged)
            if self._permissions and proposal.launch:
                proof = partial(self._prove, proposal, proposal.launch, started)
                started["permissions"] = pool.submit(run.query, "permissions", proof)
            checks = [pool.submit(run.query, "", check) for check in self._checks]
        for check in checks:
            check.result()
        results = {name: started[name].result() for name in started}
        results["alarms"] = results.get("alarms") or ()
        results["probe_failure"] = results.get("probe_failure") or ""
        results["credentials"] = run.query("credentials", read_credentials)
        failures = [*run.failures, *_unreadable(results["observation"])]
        return Facts(
            **results,
            missing=frozenset(run.missing(proposal, results)),
            failures=tuple(sorted(failures, key=lambda each: (not each.needed, each.where))),
        )

    def _fleet_queries(self, proposal: Proposal) -> Queries:
        """Return the queries about the running fleet; also make the clients that they use.

        Threads may share a client but must not make one.
        """
        place, blue = proposal.place, proposal.blue
        clients = self._clients
        scaling = clients.autoscaling(place.region)
        clients.sts(place.region)
        clients.elb(place.region)
        clients.elbv2(place.region)
        listed = Once(lambda: tuple(read_all_groups(scaling)))
        found: Queries = {
            "identity": partial(queries.read_identity, clients, place.region),
            "groups": partial(queries.read_group_facts, listed, proposal),
            "balancers": partial(self._describe, place.all_balancers),
            "observation": partial(self._observe, proposal, listed),
        }
        if self._alarms:
            clients.cloudwatch(place.region)
            found["alarms"] = self._alarms
        if blue and self._probe:
            found["probe_failure"] = self._probe
        if blue:
            found["refreshes"] = partial(queries.read_refreshes, scaling, blue)
        if blue and proposal.is_worker:
            found["hold"] = partial(read_hold, scaling, blue)
        if blue and proposal.green:
            found["attached"] = partial(queries.read_attached, scaling, blue)
        return found

    def _observe(self, proposal: Proposal, listed: Once[ObservedGroups]) -> Observation | None:
        """Return the targets, and the serving group as the list of all groups shows it.

        None if that could not be read: the query of the groups reports it.
        """
        place, blue = proposal.place, proposal.blue
        seen = self._groups.observe((), place.all_balancers, activities=(), rules=place.rules)
        if (groups := listed.known()) is None:
            return None
        return replace(seen, groups={each.name: each for each in groups if each.name == blue})

    def _launch_queries(self, proposal: Proposal) -> Queries:
        """Return the queries about the image to launch and the quotas; none for a warm group."""
        if not proposal.green:
            return {}
        region, instance_type = proposal.place.region, proposal.instance_type
        ec2, quotas = self._clients.ec2(region), self._clients.service_quotas(region)
        found: Queries = {
            "image": partial(read_image_facts, ec2, proposal.image_id),
            "type": partial(queries.read_type, ec2, instance_type),
            "templates": partial(queries.read_template_facts, ec2, proposal),
            "group_quota": partial(queries.read_group_quota, self._clients.autoscaling(region)),
            "vcpus": partial(queries.read_vcpus, quotas, ec2, instance_type),
        }
        if any(each.kind == "elbv2" for each in proposal.place.all_balancers):
            found["targets"] = partial(queries.read_target_quota, self._clients.elbv2(region))
        return found

    def _prove(
        self, proposal: Proposal, launch: Launch, started: Mapping[str, Future[Any]]
    ) -> PermissionFacts | None:
        """Prove the permissions of a launch, once the groups and the templates are known.

        The probes of Auto Scaling name a group that must not exist.
        """
        groups, templates = started["groups"].result(), started["templates"].result()
        if groups is None or templates is None or self._permissions is None:
            return None
        known = {f"group {each.name}" for each in groups}
        known |= {f"launch template {each.name}" for each in templates}
        unused = {f"group {launch.unused_name}", f"launch template {launch.unused_name}"}
        if existing := sorted(unused & known):
            return PermissionFacts(existing=tuple(existing))
        template = next((each.name for each in templates if each.name == proposal.template), "")
        subnets = launch.subnets or _blue_subnets(proposal, groups)
        adopted = proposal.blue if proposal.replaces_adopted else ""
        wanted = replace(launch, template=template, subnets=subnets, adopted=adopted)
        return self._permissions(wanted)

    def _command_query(self, proposal: Proposal, observation: Future[Observation | None]) -> Query:
        """Return the query for which members of the serving group get commands."""
        region = proposal.place.region
        self._clients.ssm(region)

        def read() -> dict[str, str] | None:
            seen = observation.result()
            group = seen.groups.get(proposal.blue) if seen else None
            ids = sorted(each.id for each in group.members) if group else []
            return read_online(self._clients, region, ids) if ids else None

        return read

    def _subnet_query(self, proposal: Proposal, groups: Future[Any]) -> Query:
        """Return the query for the subnets of the new group.

        They are those of Terraform's inputs, otherwise those of the serving group, which are known
        one round trip later.
        """
        ec2 = self._clients.ec2(proposal.place.region)

        def read() -> Any:
            ids = proposal.subnets or _blue_subnets(proposal, groups.result())
            return queries.read_subnets(ec2, ids) if ids else None

        return read


def _blue_subnets(proposal: Proposal, groups: Sequence[GroupFacts] | None) -> tuple[str, ...]:
    return next((each.subnets for each in groups or () if each.name == proposal.blue), ())


class Once(Generic[Result]):
    """A call whose result, or error, several threads share."""

    def __init__(self, make: Callable[[], Result]) -> None:
        self._make = make
        self._future: Future[Result] = Future()
        self._first = Lock()

    def __call__(self) -> Result:
        """Return the result; the first caller makes the call, the others wait for it."""
        self._begin()
        return self._future.result()

    def known(self) -> Result | None:
        """Return the result, None if the call failed."""
        self._begin()
        return None if self._future.exception() else self._future.result()

    def _begin(self) -> None:
        if self._first.acquire(blocking=False):
            try:
                self._future.set_result(self._make())
            except BaseException as error:  # noqa: BLE001 - every caller gets it
                self._future.set_exception(error)


@dataclass(kw_only=True)
class _Run:
    """The failed and the successful queries of one preflight; threads share it.

    Appending to a list is atomic.
    """

    region: str
    failures: list[Failure] = field(default_factory=list)
    succeeded: list[str] = field(default_factory=list)

    def query(self, name: str, query: Query) -> Any:
        """Return the result, or record the failure and return None; a check has no name."""
        try:
            with translate_errors(NAMES.get(name, name), self.region):
                result = query()
        except PipelineError as error:
            self.failures.append(
                Failure(
                    where=error.where,
                    what=error.what,
                    remedy=error.remedy,
                    needed=name not in OPTIONAL,
                )
            )
            return None
        self.succeeded.append(name)
        return result

    def missing(self, proposal: Proposal, results: Mapping[str, Any]) -> Iterator[str]:
        """Yield what does not exist; a None after a failed query does not count."""
        wanted = {"image": proposal.image_id, "type": proposal.instance_type}
        for name, identifier in wanted.items():
            if name in self.succeeded and results[name] is None:
                yield identifier
        if "subnets" in self.succeeded and results["subnets"] is not None:
            yield from {*proposal.subnets} - {each.id for each in results["subnets"]}


def _unreadable(observation: Observation | None) -> Iterator[Failure]:
    where, remedy = NAMES["observation"], "run the command again"
    for line in observation.unreadable if observation else ():
        yield Failure(where=where, what=line, remedy=remedy, needed=True)
