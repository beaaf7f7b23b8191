"""Decide whether a call may be made: its credentials first, then each permission that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from local_cloud.permissions import autoscaling, balancers, denials, ec2, others, s3
from local_cloud.permissions.denials import Refusal
from local_cloud.permissions.facts import CallFacts
from local_cloud.permissions.parameters import read
from local_cloud.permissions.policy import Decision, Question
from local_cloud.permissions.ports import Models
from local_cloud.permissions.roles import Denial, Roles, Session

# The prefix of the actions of a service in policies, where it is not the service's own name.
PREFIXES = {"elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing"}
BY_PREFIX: dict[str, Callable[[CallFacts], Iterator[Question]]] = {
    "autoscaling": autoscaling.questions,
    "ec2": ec2.questions,
    "elasticloadbalancing": balancers.questions,
}
# "No permissions are required to perform this operation" (STS API Reference, GetCallerIdentity).
FREE = {"sts:GetCallerIdentity"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A call as it came: what it is, who signed it, and what it carries."""

    service: str
    action: str
    protocol: str
    access_key: str
    token: str
    region: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def codes(self) -> str:
        """The protocol whose error codes the service uses.

        CloudWatch speaks JSON with the codes that it had in the query protocol
        (`awsQueryCompatible` in its service model).
        """
        return "query" if self.service == "cloudwatch" else self.protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Judge:
    """Judges the calls of sessions; those of any other access key are allowed."""

    roles: Roles
    models: Models

    def knows(self, access_key: str) -> bool:
        """Return True if the calls of an access key are judged."""
        return self.roles.session(access_key) is not None

    def refusal(self, request: Request) -> Refusal | None:
        """Return the refusal of a call, or None if it may be made; needs the API's lock."""
        session = self.roles.session(request.access_key)
        if session is None:
            return None
        if request.token != session.token:
            return denials.invalid(request.codes)
        if session.expires <= self.roles.clock():
            return denials.expired(request.codes)
        return self._first_refusal(request, session)

    def questions(self, request: Request) -> Iterator[Question]:
        """Yield every permission that a call needs."""
        facts = facts_of(request, self.models)
        if facts.service == "s3":
            parsed = s3.parse(
                request.method, request.path, request.query, request.headers, request.body
            )
            yield from s3.questions(facts, parsed)
        elif facts.name not in FREE:
            yield from BY_PREFIX.get(facts.service, others.questions)(facts)

    def _first_refusal(self, request: Request, session: Session) -> Refusal | None:
        policy = self.roles.policy(session)
        for question in self.questions(request):
            decision = policy.decide(question)
            denial = None
            if decision is not Decision.ALLOWED:
                denial = Denial(
                    role=session.role,
                    call=f"{request.service}:{request.action}",
                    action=question.action,
                    resource=question.resource,
                    decision=decision.value,
                )
            self.roles.record(session.role, question.action, question.resource, denial)
            if denial:
                return denials.denied(request.codes, session, question, decision)
        return None


def facts_of(request: Request, models: Models) -> CallFacts:
    """Return what a call says about itself."""
    service = PREFIXES.get(request.service, request.service)
    parameters = (
        {}
        if service == "s3"
        else read(request.body, request.query, is_json=request.protocol == "json")
    )
    return CallFacts(
        service=service,
        action=request.action,
        region=request.region,
        models=models,
        parameters=parameters,
    )
