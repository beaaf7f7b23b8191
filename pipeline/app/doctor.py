"""Check what every command needs: the store, Packer and Terraform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.adapters.aws.client import Clients, account_of
from pipeline.app.application import Application
from pipeline.core.doctor import Check, Grade
from pipeline.core.errors import RefusedError
from pipeline.core.masking import Masker


def checkup(app: Application, environment: str = "") -> Iterator[Check]:
    """Yield one check after another; with an environment, for the account of that environment."""
    yield from _store(app, environment)
    yield from _tools(app)


def _store(app: Application, environment: str) -> Iterator[Check]:
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
    except RefusedError as error:
        yield _problem("credentials", error)
        return
    yield Check(name="credentials", what=f"of account {caller}")
    account = app.bucket_owner(bucket, environment) or caller
    bucket_checkup = BucketCheckup(
        s3=clients.s3(),
        bucket=bucket,
        account=account,
        region=region,
        kms_key=app.settings.state.kms_key_id or "",
    )
    yield from bucket_checkup.checks()


def _tools(app: Application) -> Iterator[Check]:
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
        )
        yield _version("packer", packer.version)
    yield _version("terraform", app.terraform("doctor").version)


def _version(name: str, read_version: Callable[[], str]) -> Check:
    try:
        return Check(name=name, what=read_version())
    except RefusedError as error:
        return _problem(name, error)


def _problem(name: str, error: RefusedError) -> Check:
    return Check(name=name, what=error.what, grade=Grade.PROBLEM, remedy=error.remedy)
