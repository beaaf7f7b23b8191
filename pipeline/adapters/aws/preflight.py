"""Everything preflight wants to know, asked at the same time: about two round trips in all.

What cannot be read is a fact, too: preflight tells all of it at once, so nothing here ends
with the first refusal. Reads only. What is asked is in `survey_reading`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipeline.adapters.aws import preflight_queries as reading
from pipeline.adapters.aws.client import Clients, speaking_plainly
from pipeline.core.deploy.ports import GroupReader
from pipeline.core.errors import PipelineError
from pipeline.core.health.observation import Balancer, Observation
from pipeline.core.preflight.facts import BalancerFacts, Facts, Failure, GroupFacts, Proposal

Describe = Callable[[Sequence[Balancer]], tuple[BalancerFacts, ...]]
Ask = Callable[[], Any]
Questions = dict[str, Ask]

THREADS = 16
"""More than there are questions, for one of them waits for the answer to another."""

NAMES = {
    "identity": "asking who we are",
    "image": "reading the image",
    "type": "reading the instance type",
    "groups": "reading the groups",
    "templates": "reading launch templates",
    "refreshes": "reading instance refreshes",
    "subnets": "reading the subnets",
    "balancers": "reading the load balancers",
    "look": "looking at the fleet",
    "group_quota": "reading the quota of groups",
    "vcpus": "reading the quota of vCPUs",
    "targets": "reading the quota of targets",
    "alarms": "reading the alarms",
}
"""What is asked, by the field of `Facts` that takes the answer."""
OPTIONAL = frozenset({"group_quota", "vcpus", "targets"})


class Survey:
    """Asks AWS; `checks` run at the same time, and what they refuse is found, too.

    A check is Terraform's version, for example; what it returns is its caller's affair.
    `describe` reads the load balancers' settings, `alarms` returns those that ring.
    """

    def __init__(
        self,
        clients: Clients,
        groups: GroupReader,
        describe: Describe,
        checks: Sequence[Callable[[], object]] = (),
        alarms: Callable[[], tuple[str, ...]] | None = None,
    ) -> None:
        self._clients = clients
        self._groups = groups
        self._describe = describe
        self._checks = checks
        self._alarms = alarms

    def facts(self, proposal: Proposal) -> Facts:
        """Read all there is to know about a proposal; what AWS refuses is in `failures`."""
        hearing = _Hearing(region=proposal.place.region)
        with ThreadPoolExecutor(THREADS) as pool:
            questions = self._always(proposal) | self._of_green(proposal)
            asked = {each: pool.submit(hearing.ask, each, questions[each]) for each in questions}
            subnets = self._subnets(proposal, asked["groups"])
            asked["subnets"] = pool.submit(hearing.ask, "subnets", subnets)
            checks = [pool.submit(hearing.ask, "", check) for check in self._checks]
        for check in checks:
            check.result()
        answers = {each: asked[each].result() for each in asked}
        answers["alarms"] = answers.get("alarms") or ()
        failures = [*hearing.failures, *_unseen(answers["look"])]
        return Facts(
            **answers,
            missing=frozenset(hearing.absent(proposal, answers)),
            credentials=reading.read_credentials(),
            failures=tuple(sorted(failures, key=lambda each: (not each.needed, each.where))),
        )

    def _always(self, proposal: Proposal) -> Questions:
        """Return what is asked of the fleet that is there; all clients are made here.

        Threads may use a client, but not make one.
        """
        place, blue = proposal.place, proposal.blue
        made = self._clients
        scaling = made.autoscaling(place.region)
        made.sts(place.region)
        made.elb(place.region)
        made.elbv2(place.region)
        observation = partial(
            self._groups.observe, [blue] if blue else [], place.balancers, activities=()
        )
        questions: Questions = {
            "identity": partial(reading.read_identity, made, place.region),
            "groups": partial(reading.read_groups, scaling, proposal),
            "balancers": partial(self._describe, place.balancers),
            "look": observation,
        }
        if self._alarms:
            made.cloudwatch(place.region)
            questions["alarms"] = self._alarms
        if blue:
            questions["refreshes"] = partial(reading.read_refreshes, scaling, blue)
        return questions

    def _of_green(self, proposal: Proposal) -> Questions:
        """Return what is asked of the image that is to be launched, and of room for it."""
        if not proposal.green:
            return {}
        region, wanted = proposal.place.region, proposal.instance_type
        ec2, quotas = self._clients.ec2(region), self._clients.service_quotas(region)
        questions: Questions = {
            "image": partial(reading.read_image, ec2, proposal.image_id),
            "type": partial(reading.read_type, ec2, wanted),
            "templates": partial(reading.read_templates, ec2, proposal.group(proposal.green)),
            "group_quota": partial(reading.read_group_quota, self._clients.autoscaling(region)),
            "vcpus": partial(reading.read_vcpus, quotas, ec2, wanted),
        }
        if any(each.kind == "elbv2" for each in proposal.place.balancers):
            questions["targets"] = partial(reading.read_targets, self._clients.elbv2(region))
        return questions

    def _subnets(self, proposal: Proposal, groups: Future[Any]) -> Ask:
        """Return the question for the subnets green would be launched in.

        They are those Terraform is told, else those of the serving group, which is known a round
        trip later.
        """
        ec2 = self._clients.ec2(proposal.place.region)

        def ask() -> Any:
            ids = proposal.subnets or _own_subnets(proposal, groups.result())
            return reading.read_subnets(ec2, ids) if ids else None

        return ask


def _own_subnets(proposal: Proposal, groups: Sequence[GroupFacts] | None) -> tuple[str, ...]:
    return next((each.subnets for each in groups or () if each.name == proposal.blue), ())


@dataclass(kw_only=True)
class _Hearing:
    """What was refused, of all that is asked at the same time; appending to a list is atomic."""

    region: str
    failures: list[Failure] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    def ask(self, name: str, question: Ask) -> Any:
        """Return the answer, or keep the refusal and return None; a check has no name."""
        try:
            with speaking_plainly(NAMES.get(name, name), self.region):
                answer = question()
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
        self.heard.append(name)
        return answer

    def absent(self, proposal: Proposal, answers: Mapping[str, Any]) -> Iterator[str]:
        """Yield what AWS said it does not know: None is no such answer if it said nothing."""
        asked = {"image": proposal.image_id, "type": proposal.instance_type}
        for name, identifier in asked.items():
            if name in self.heard and answers[name] is None:
                yield identifier
        if "subnets" in self.heard and answers["subnets"] is not None:
            yield from {*proposal.subnets} - {each.id for each in answers["subnets"]}


def _unseen(observation: Observation | None) -> Iterator[Failure]:
    for line in observation.unreadable if observation else ():
        yield Failure(where=NAMES["look"], what=line, remedy="run the command again", needed=True)
