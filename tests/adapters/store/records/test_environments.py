from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.store.base import StaleError
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.envelope import DamagedError, NewerError, seal, unseal
from pipeline.adapters.store.records.environments import Environments
from pipeline.core.errors import RefusedError
from pipeline.core.state.deployment import Deployment, Kind, Outcome, PhaseRun, Result, Runner
from pipeline.core.state.environment import Environment, Lease, ReleaseRecord, RetiredRelease
from pipeline.core.state.release import Release, Size
from tests.adapters.lease.lease_fakes import an_environment, an_owner
from tests.core.changes.examples import CHANGES

OURS = ("web", "production", "111122223333", "eu-central-1")
RELEASE = Release(
    number=124,
    ami_id="ami-1",
    size=Size(instance_type="t3.micro", minimum=2, maximum=6, desired=4),
    facts={"version": "1.2.3"},
)
FULL = an_environment(
    next=125,
    epoch=7,
    serving="r000124",
    releases={
        "r000124": ReleaseRecord(release=RELEASE, image_name="web-1.2.3", since="x", failed=True)
    },
    retired=(RetiredRelease(release="r000123", ami_id="ami-0", quarantined=True),),
    deployment=Deployment(
        id="20261121T145233Z-4f2a",
        kind=Kind.PROMOTE,
        environment="production",
        green="r000124",
        blue="r000123",
        began="2026-11-21T14:52:33Z",
        by=an_owner(),
        changes=CHANGES,
        phases=(PhaseRun(name="launch", seconds=61.25), PhaseRun(name="verify", seconds=3)),
        outcome=Outcome(result=Result.ROLLED_BACK, phase="verify", reason="shöp", evidence="e"),
    ),
    lease=Lease(
        owner=Runner(user="ann", host="ci", pid=1, run=""),
        epoch=7,
        since="2026-11-21T12:00:00Z",
        expires="2026-11-21T12:01:00Z",
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "state")


@pytest.fixture
def environments(store: DirectoryStore) -> Environments:
    return Environments(store)


def the_file(store: DirectoryStore) -> Path:
    return store.folder / "environments" / "production.json"


def test_a_new_environment_is_empty_and_not_written(
    environments: Environments, store: DirectoryStore
) -> None:
    assert environments.read(*OURS) == an_environment()
    assert not store.folder.exists()


def test_every_fact_of_a_document_is_read_as_it_was_written(environments: Environments) -> None:
    environments.save(FULL, None)
    assert environments.read(*OURS) == FULL


def test_a_document_is_plain_json_with_schema_checksum_and_the_version_before(
    environments: Environments, store: DirectoryStore
) -> None:
    first = environments.save(an_environment(), None)
    environments.save(an_environment(next=2), first)
    body = json.loads(the_file(store).read_text())
    assert body["schema"] == 1
    assert body["previous"] == first
    checksum = body.pop("checksum")
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    assert checksum == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert body["content"] == {
        "account": "111122223333",
        "app": "web",
        "broken": 0,
        "deployment": None,
        "drill": None,
        "environment": "production",
        "epoch": 0,
        "lease": None,
        "next": 2,
        "program": "",
        "retired": [],
        "region": "eu-central-1",
        "releases": {},
        "serving": "",
    }


def test_a_document_replaces_only_the_version_that_was_read(
    environments: Environments,
) -> None:
    version = environments.save(an_environment(), None)
    environments.save(an_environment(next=2), version)
    for stale in (None, version):
        with pytest.raises(StaleError):
            environments.save(an_environment(next=3), stale)
    assert environments.read(*OURS).next == 2


def test_an_unknown_account_is_not_compared_and_is_kept_once_known(
    environments: Environments,
) -> None:
    version = environments.save(an_environment(account=""), None)
    read = environments.load(an_environment())
    assert read.environment.account == "111122223333"
    environments.save(read.environment, version)
    assert environments.read("web", "production", "", "eu-central-1").account == "111122223333"


def test_a_field_missing_in_an_older_document_has_its_default(
    environments: Environments, store: DirectoryStore
) -> None:
    content = {"app": "web", "environment": "production", "account": "", "region": OURS[3]}
    store.write("environments/production.json", seal(content), expected=None)
    assert environments.read(*OURS) == an_environment()


def sealed(**changes: Any) -> Callable[[bytes], bytes]:
    """Return what changes the content under a checksum that fits."""

    def change(data: bytes) -> bytes:
        content = json.loads(data)["content"]
        return seal({**content, **changes})

    return change


def resealed(**envelope: Any) -> Callable[[bytes], bytes]:
    return lambda data: json.dumps({**json.loads(data), **envelope}, indent=2).encode()


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "it is empty"),
    "truncated": (lambda data: data[: len(data) // 2], "it is not JSON"),
    "cut by one byte": (lambda data: data[:-1], "its checksum does not match"),
    "one figure": (lambda data: data.replace(b'"next": 125', b'"next": 124'), "its checksum"),
    "one blank": (lambda data: data.replace(b'"next": 125', b'"next":125'), "its checksum"),
    "bytes behind": (lambda data: data + b"\n", "its checksum does not match"),
    "twice": (lambda data: data + data, "it is not JSON"),
    "a key twice": (
        lambda data: data.replace(b'"next": 125', b'"next": 124,\n    "next": 125'),
        "the same key twice",
    ),
    "not UTF-8": (lambda data: data.replace(b"web", b"w\xffb"), "it is not UTF-8"),
    "UTF-16": (lambda data: data.decode().encode("utf-16"), "it is not UTF-8"),
    "a byte order mark": (lambda data: b"\xef\xbb\xbf" + data, "it is not JSON"),
    "zeros": (lambda data: b"\0" * len(data), "it is not JSON"),
    "nested": (lambda _: b"[" * 100_000, "it is nested too deeply"),
    "nested in the content": (
        lambda data: data.replace(b'"retired": [', b'"retired": [' + b'{"a":' * 100_000),
        "it is nested too deeply",
    ),
    "huge": (lambda data: data + b" " * (4 * 1024 * 1024), "more than any document"),
    "a huge number": (lambda data: data.replace(b"125", b"1" * 5000), "it is not JSON"),
    "no number": (lambda data: data.replace(b"125", b"NaN"), "NaN is not a JSON number"),
    "a list": (lambda _: b"[]", "it is not a JSON object"),
    "no schema": (lambda _: b"{}", "it has no schema version"),
    "schema 0": (resealed(schema=0), "it has no schema version"),
    "schema true": (resealed(schema=True), "it has no schema version"),
    "an envelope without checksum": (
        lambda _: b'{"schema": 1, "content": {}, "previous": ""}',
        "its envelope is incomplete",
    ),
    "another type": (sealed(next="125"), "next does not have the type int"),
    "true for a number": (sealed(epoch=True), "epoch does not have the type int"),
    "a missing field": (lambda _: seal({"app": "web"}), "account is missing"),
    "a list for a map": (sealed(releases=[]), "releases does not have the type dict"),
    "a list as content": (lambda _: seal([1]), "the content does not have the type dict"),
    "an unknown kind": (
        lambda data: seal(
            {
                **json.loads(data)["content"],
                "deployment": {**json.loads(data)["content"]["deployment"], "kind": "wish"},
            }
        ),
        "deployment.kind: 'wish' is not a valid Kind",
    ),
    "a release under another's name": (
        lambda data: seal(
            {
                **json.loads(data)["content"],
                "releases": {
                    "r000001": next(iter(json.loads(data)["content"]["releases"].values()))
                },
            }
        ),
        "under the name of another",
    ),
    "a lease of another epoch": (sealed(epoch=8), "another epoch"),
    "a lease without a time": (
        lambda data: seal(
            {
                **json.loads(data)["content"],
                "lease": {**json.loads(data)["content"]["lease"], "expires": "noon"},
            }
        ),
        "its lease has no times",
    ),
}


def refused(environments: Environments, store: DirectoryStore, data: bytes) -> RefusedError:
    """Return the refusal of a document, which must be left as it was by reading and writing."""
    path = the_file(store)
    path.write_bytes(data)
    for read in (lambda: environments.read(*OURS), lambda: environments.load(an_environment())):
        with pytest.raises(RefusedError) as told:
            read()
        assert told.value.exit_code == 3
        assert told.value.where == f"[state] {path}"
    with pytest.raises(StaleError):
        environments.save(an_environment(), None)
    assert path.read_bytes() == data
    return told.value


@pytest.mark.parametrize(("damage", "why"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_document_is_rejected_and_stays_unchanged(
    environments: Environments,
    store: DirectoryStore,
    damage: Callable[[bytes], bytes],
    why: str,
) -> None:
    environments.save(FULL, None)
    error = refused(environments, store, damage(the_file(store).read_bytes()))
    assert error.what.startswith("is damaged: ")
    assert why in error.what
    assert error.remedy == (
        "list its earlier versions: ami-pipeline state show -e production; "
        "restore one: ami-pipeline state restore -e production"
    )


def test_every_changed_byte_is_detected() -> None:
    whole = seal(FULL)
    for place in range(0, len(whole), 5):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        with pytest.raises((DamagedError, NewerError)):
            unseal(Environment, bytes(changed))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (resealed(schema=2), "its schema is version 2, this version supports 1"),
        (lambda _: b'{"schema": 2, "anything": []}', "its schema is version 2"),
        (sealed(canary="x"), "canary is unknown to this version"),
    ],
    ids=["schema 2", "schema 2 of another shape", "an unknown field"],
)
def test_a_document_of_a_newer_version_is_rejected_with_the_upgrade_command(
    environments: Environments,
    store: DirectoryStore,
    change: Callable[[bytes], bytes],
    why: str,
) -> None:
    environments.save(FULL, None)
    error = refused(environments, store, change(the_file(store).read_bytes()))
    assert error.what.startswith("a newer ami-pipeline wrote it: ")
    assert why in error.what
    assert error.remedy.endswith("pip install --upgrade ami-pipeline")


@pytest.mark.parametrize(
    ("theirs", "what", "remedy"),
    [
        ({"app": "api"}, "app api, not of web", "fix app in pipeline.toml, or"),
        (
            {"environment": "staging"},
            "environment staging, not of production",
            "restore the document",
        ),
        ({"account": "999"}, "account 999, not of 111122223333", "use credentials of account"),
        ({"region": "us-east-1"}, "region us-east-1, not of eu-central-1", "set region to us-east"),
    ],
)
def test_a_document_of_another_app_account_or_region_is_rejected(
    environments: Environments,
    store: DirectoryStore,
    theirs: dict[str, str],
    what: str,
    remedy: str,
) -> None:
    environments.save(an_environment(), None)
    error = refused(environments, store, seal(an_environment(**theirs)))
    assert error.what == f"is the document of {what}"
    assert error.remedy.startswith(remedy)


def test_every_field_of_the_document_is_written(environments: Environments) -> None:
    """A field that is added to the core is kept without a word in the codec."""
    data = json.loads(seal(FULL))["content"]
    assert set(data) == set(Environment.__slots__)
    assert set(data["deployment"]) == set(Deployment.__slots__)
    assert set(data["lease"]) == set(Lease.__slots__)
    environments.save(FULL, None)
    assert environments.read(*OURS).deployment == FULL.deployment


def test_a_deployment_of_an_earlier_version_has_no_changes(
    environments: Environments, store: DirectoryStore
) -> None:
    content = json.loads(seal(FULL))["content"]
    del content["deployment"]["changes"]
    store.write("environments/production.json", seal(content), expected=None)
    deployment = environments.read(*OURS).deployment
    assert deployment
    assert FULL.deployment == replace(deployment, changes=CHANGES)
    assert deployment.changes is None
