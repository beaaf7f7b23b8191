"""Check what a deployment of one environment needs in AWS and in the store, for `doctor`."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.adapters.aws.balancing.balancers import missing
from pipeline.app.application import Application
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.environment.unrecorded import find_lost
from pipeline.core import commands
from pipeline.core.doctor import Check, Grade
from pipeline.core.errors import PipelineError
from pipeline.core.health.serving import Trouble
from pipeline.core.state.environment import Environment
from pipeline.core.state.next_step import next_step
from pipeline.core.state.status import Status, condition


def environment_checks(app: Application, environment: str, caller: str) -> Iterator[Check]:
    """Yield the checks of the document, the account and the load balancers.

    `caller` is the account of the credentials, empty without: then AWS is not asked.
    """
    reader = EnvironmentReader(app=app, environment=environment)
    if caller or not app.settings.state.url.startswith("s3://"):
        yield _document(reader, is_known=bool(caller))
    if caller:
        yield from _account(app, environment, caller)
        yield _balancers(reader)


def problem(name: str, error: PipelineError) -> Check:
    """Return an error as a check."""
    return Check(
        name=name,
        what=f"{error.where}: {error.what}",
        grade=Grade.PROBLEM,
        remedy=error.remedy,
    )


def _document(reader: EnvironmentReader, *, is_known: bool) -> Check:
    """Check the document; `is_known` says that AWS accepts the credentials."""
    name = f"{reader.environment}: document"
    try:
        document = reader.document()
        lost = find_lost(reader, document) if is_known else None
    except PipelineError as error:
        return problem(name, error)
    if lost:
        return problem(name, lost)
    if document.deployment is not None:
        pause = document.deployment.pause
        where = f"paused before {pause.before}" if pause else "in flight"
        what = f"has a {document.deployment.kind} {where}"
        remedy = commands.status(reader.environment)
        return Check(name=name, what=what, grade=Grade.ADVICE, remedy=remedy)
    return removal_check(name, document) or Check(name=name, what=_serving(document))


def removal_check(name: str, document: Environment) -> Check | None:
    """Return the advice to remove what a deployment left for later, None without that."""
    if not document.unremoved:
        return None
    what = f"the removal of {', '.join(document.unremoved)} is pending"
    remedy = commands.recover(document.environment)
    return Check(name=name, what=what, grade=Grade.ADVICE, remedy=remedy)


def service_check(status: Status) -> Check:
    """Check that the recorded release serves; a group without instances may be meant to be so.

    The remedy is the next command of `status`.
    """
    found, serving = condition(status), status.environment.serving
    what = f"{serving}, {found.what}"
    match found.trouble:
        case None:
            grade = Grade.OK
        case Trouble.EMPTY:
            grade = Grade.ADVICE
        case _:
            grade = Grade.PROBLEM
    remedy = next_step(status) if grade is not Grade.OK else ""
    return Check(
        name=f"{status.environment.environment}: service", what=what, grade=grade, remedy=remedy
    )


def _serving(document: Environment) -> str:
    return f"{document.serving} is recorded as serving" if document.serving else "no release yet"


def _account(app: Application, environment: str, caller: str) -> Iterator[Check]:
    expected = app.settings.environment(environment).account
    if expected and expected != caller:
        yield Check(
            name=f"{environment}: account",
            what=f"is {expected}, but the credentials are of account {caller}",
            grade=Grade.PROBLEM,
            remedy=f"use credentials of account {expected}: {commands.LIST_PROFILES}",
        )


def _balancers(reader: EnvironmentReader) -> Check:
    name = f"{reader.environment}: load balancers"
    try:
        existing, absent = reader.found_balancers
        paired = [each for pair in reader.pairs for each in pair.targets]
    except PipelineError as error:
        return problem(name, error)
    if absent:
        return problem(name, missing(reader.app.settings.region, absent))
    found = (*existing, *paired)
    if not found:
        return Check(name=name, what="none: its groups are workers, which serve while they run")
    return Check(name=name, what=", ".join(each.name for each in found))
