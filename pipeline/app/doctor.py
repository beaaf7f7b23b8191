"""Check what a bake and a deployment need: the store, the tools, the files, and AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline import config
from pipeline.adapters.aws.client import Clients, account_of
from pipeline.app.application import Application, Options
from pipeline.app.environment.checkup import environment_checks, problem, service_check
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.app.status import StatusReader
from pipeline.core import commands
from pipeline.core.doctor import Check, Grade, all_passed
from pipeline.core.errors import ConfigurationError, PipelineError, RefusedError
from pipeline.core.masking import Masker

if TYPE_CHECKING:
    from pipeline.adapters.packer.packer import Packer


def checkup(app: Application, environment: str = "") -> Iterator[Check]:
    """Yield what a bake needs; with an environment, also what a deployment to it needs."""
    yield from _store(app, environment)
    yield from _tools(app, environment)
    yield _files(app)
    check, caller = _credentials(app)
    yield check
    if environment:
        checks = tuple(environment_checks(app, environment, caller))
        yield from checks
        if caller and all_passed(checks):
            yield from _service(app, environment)


def _service(app: Application, environment: str) -> Iterator[Check]:
    """Check what serves, unless nothing does or a deployment is changing it."""
    reader = StatusReader(app, environment)
    try:
        document = reader.reader.document()
        if document.serving and document.deployment is None:
            yield service_check(reader.status())
    except PipelineError as error:
        yield problem(f"{environment}: service", error)


def _credentials(app: Application) -> tuple[Check, str]:
    """Return the check of the credentials, and their account; empty if AWS rejects them."""
    try:
        caller = account_of(Clients(app.settings.region), app.settings.region)
    except RefusedError as error:
        return _problem("credentials", error), ""
    return Check(name="credentials", what=f"of account {caller}"), caller


def _files(app: Application) -> Check:
    """Check that every file that pipeline.toml names exists, and that hooks are executable."""
    try:
        config.load(app.settings.file, with_files=True)
    except ConfigurationError as error:
        return Check(
            name="files", what=error.what, grade=Grade.PROBLEM, remedy=commands.config_check()
        )
    return Check(name="files", what="every file that pipeline.toml names exists")


def _store(app: Application, environment: str) -> Iterator[Check]:
    try:
        app.require_lasting_state()
    except ConfigurationError as error:
        yield problem("store", error)
    url = app.settings.state.url
    if url.startswith("s3://"):
        yield from _bucket(app, url.removeprefix("s3://").partition("/")[0], environment)
        return
    from pipeline.adapters.store.doctor.directory import directory_checks

    yield from directory_checks(app.settings.root / url)


def _bucket(app: Application, bucket: str, environment: str) -> Iterator[Check]:
    from pipeline.adapters.store.doctor.bucket import BucketCheckup

    clients, region = Clients(app.settings.region), app.settings.region
    try:
        caller = account_of(clients, region)
    except RefusedError:
        return  # The check of the credentials says so.
    account = app.bucket_owner(bucket, environment) or caller
    bucket_checkup = BucketCheckup(
        s3=clients.s3(),
        bucket=bucket,
        account=account,
        region=region,
        kms_key=app.settings.state.kms_key_id or "",
    )
    yield from bucket_checkup.checks()


def _tools(app: Application, environment: str) -> Iterator[Check]:
    from pipeline.adapters.packer.packer import Packer

    # Packer creates its cache folder even to print its version, so it gets a temporary one.
    with TemporaryDirectory(prefix="ami-pipeline-doctor-") as folder:
        packer = Packer(
            environ=app.environ,
            logs=Path(folder),
            cache=Path(folder) / "packer_cache",
            report=app.report,
            interrupts=app.interrupts,
            masker=Masker(()),
            hidden=frozenset(),
            credentials=app.tool_credentials,
        )
        check = _version("packer", packer.version)
        yield check
        if check.grade is Grade.OK:
            yield _template(app, packer, environment)
    yield _terraform(app, environment)


def _terraform(app: Application, environment: str) -> Check:
    """Check the program that runs root modules, and name it."""
    recorded = ""
    if environment:
        # The document has a check of its own.
        with suppress(PipelineError):
            reader = EnvironmentReader(app=app, environment=environment)
            recorded = reader.terraform(reader.document()).choice.recorded
    try:
        found = app.terraform(environment, recorded=recorded).program()
    except RefusedError as error:
        return _problem("terraform", error)
    return Check(name=found.key, what=found.version)


def _template(app: Application, packer: Packer, environment: str) -> Check:
    """Check that Packer reads the template with the plugins that are installed."""
    from pipeline.adapters.packer.template_source import read_source
    from pipeline.app.bake_request import request_of

    wanted = app.settings.bake_for(environment or None)
    try:
        options = Options(environment=environment, version="0")
        source = read_source(app.inside(wanted.template))
        template = packer.read(request_of(app, options, wanted, {}, source))
    except PipelineError as error:
        return problem("template", error)
    builds = f", builds {', '.join(template.builds)}" if template.builds else ""
    return Check(name="template", what=f"{wanted.template}{builds}")


def _version(name: str, read_version: Callable[[], str]) -> Check:
    try:
        return Check(name=name, what=read_version())
    except RefusedError as error:
        return _problem(name, error)


def _problem(name: str, error: RefusedError) -> Check:
    return Check(name=name, what=error.what, grade=Grade.PROBLEM, remedy=error.remedy)
