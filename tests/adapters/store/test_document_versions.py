"""The versions of a document that each kind of store keeps and restores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.lease.lease import LeaseManager
from pipeline.adapters.store.base import Store
from pipeline.adapters.store.directory import DirectoryStore
from pipeline.adapters.store.document_versions import Archive
from pipeline.adapters.store.envelope import SCHEMA
from pipeline.adapters.store.records.environments import Environments
from pipeline.adapters.store.s3 import S3Store
from pipeline.adapters.store.versions import KEPT
from pipeline.core.errors import LeaseHeldError, RefusedError
from tests.adapters.lease.lease_fakes import FakeClock, Heard, an_environment, leases

WANTED = an_environment()
KEY = "environments/production.json"
KNOWS = f"version supports {SCHEMA}"
Spoil = Callable[[bytes], None]


@pytest.fixture
def store(request: pytest.FixtureRequest, store: Store) -> Store:
    """Each kind of store, as it is set up well."""
    if isinstance(store, S3Store):
        clients: Clients = request.getfixturevalue("aws")
        clients.s3().put_bucket_versioning(
            Bucket="state", VersioningConfiguration={"Status": "Enabled"}
        )
    return store


@pytest.fixture
def archive(store: Store) -> Archive:
    return Archive(environments=Environments(store))


@pytest.fixture
def spoil(store: Store) -> Spoil:
    """Overwrite the document in a way that this program never does."""

    def write(data: bytes) -> None:
        if isinstance(store, DirectoryStore):
            (store.folder / KEY).write_bytes(data)
        else:
            found = store.read(KEY)
            store.write(KEY, data, expected=found.version if found else None)

    return write


def written(archive: Archive, *numbers: int) -> None:
    """Write the document over and over, with these as its next release."""
    for number in numbers:
        found = archive.environments.load(WANTED)
        archive.environments.save(replace(found.environment, next=number), found.version)


class TestAnyStore:
    def test_replaced_versions_are_kept_newest_first(self, archive: Archive) -> None:
        assert archive.versions(WANTED).earlier == ()
        written(archive, 1, 2, 3)
        copies = archive.versions(WANTED)
        assert [each.environment and each.environment.next for each in copies.earlier] == [2, 1]
        assert copies.current
        assert copies.current.environment
        assert copies.current.environment.next == 3
        assert (copies.damaged, copies.newest_intact) == (False, 1)
        assert copies.earlier[0].when
        assert copies.earlier[0].when >= (copies.earlier[1].when or copies.earlier[0].when)

    def test_a_damaged_document_is_restored_with_a_new_epoch(
        self, archive: Archive, store: Store, spoil: Spoil, clock: FakeClock
    ) -> None:
        leases(store, clock).take(WANTED, "promote").release()
        written(archive, 7)
        held = leases(store, clock).take(WANTED, "promote")
        held.update(lambda document: replace(document, next=8))
        spoil(b"{")
        found = archive.restoration(WANTED, None)
        assert found.versions.damaged
        assert found.number == 1
        archive.restore(found)
        document = archive.environments.load(WANTED).environment
        assert document.next == 8
        assert (document.lease, document.epoch) == (None, 3)
        with pytest.raises(LeaseHeldError):
            held.update(lambda document: document)

    def test_the_difference_is_sorted_by_key(self, archive: Archive, spoil: Spoil) -> None:
        written(archive, 1, 2)
        found = archive.restoration(WANTED, 1)
        assert found.difference == (
            "--- current",
            "+++ version 1, restored",
            "@@ -6,5 +6,5 @@",
            '   "drill": null,',
            '   "environment": "production",',
            '-  "epoch": 0,',
            '+  "epoch": 1,',
            '   "lease": null,',
            '   "next": 2,',
        )
        spoil(b"not\nJSON")
        found = archive.restoration(WANTED, None)
        assert found.difference[3:5] == ("-not", "-JSON")
        assert found.versions.current
        assert found.versions.current.problem.startswith("is damaged: it is not JSON")

    def test_no_release_number_is_used_twice(self, archive: Archive) -> None:
        """The newest copies knew a release that the one put back does not."""
        written(archive, 4, 5, 6)
        assert archive.restoration(WANTED, 2).document.next == 6

    def test_a_deleted_document_is_restored(self, archive: Archive, store: Store) -> None:
        written(archive, 4, 5)
        store.delete(KEY)
        found = archive.restoration(WANTED, None)
        assert found.versions.current is None
        archive.restore(found)
        assert archive.environments.load(WANTED).environment.next == 5

    def test_a_document_that_changed_meanwhile_is_not_replaced(
        self, archive: Archive, spoil: Spoil
    ) -> None:
        written(archive, 4, 5)
        spoil(b"")
        found = archive.restoration(WANTED, None)
        spoil(b"other")
        with pytest.raises(RefusedError) as told:
            archive.restore(found)
        assert told.value.what == "has changed meanwhile; nothing was restored"

    @pytest.mark.parametrize(
        ("data", "number", "what"),
        [
            (None, None, "is intact: there is nothing to restore"),
            (None, 9, "has no version 9, only 1 to 2"),
            (
                b'{"schema": %d}' % (SCHEMA + 1),
                None,
                f"a newer ami-pipeline wrote it: its schema is version {SCHEMA + 1}, this {KNOWS}",
            ),
        ],
    )
    def test_a_version_that_cannot_be_restored_is_an_error(
        self, archive: Archive, spoil: Spoil, data: bytes | None, number: int | None, what: str
    ) -> None:
        written(archive, 1, 2, 3)
        if data:
            spoil(data)
        with pytest.raises(RefusedError) as told:
            archive.restoration(WANTED, number)
        assert told.value.what == what

    def test_the_version_of_another_app_is_not_restored(
        self, archive: Archive, spoil: Spoil
    ) -> None:
        other = replace(WANTED, app="shop")
        first = archive.environments.save(other, None)
        archive.environments.save(replace(other, next=2), first)
        spoil(b"")
        copies = archive.versions(WANTED)
        theirs = "is the document of app shop, not of web"
        assert [each.problem for each in copies.earlier] == [theirs] * 2
        for number, what in ((None, "none of its 2 earlier versions is intact"), (1, theirs)):
            with pytest.raises(RefusedError, match=what):
                archive.restoration(WANTED, number)


def test_a_bucket_without_versioning_is_reported_with_a_remedy(aws: Clients) -> None:
    aws.s3().create_bucket(Bucket="state")
    archive = Archive(environments=Environments(S3Store(aws, "state", "a")))
    written(archive, 1, 2)
    with pytest.raises(RefusedError) as told:
        archive.restoration(WANTED, 1)
    assert told.value.what == "the store has no earlier version of it"
    assert "put-bucket-versioning --bucket state " in told.value.remedy


def test_a_directory_keeps_ten_versions_outside_its_keys(directory: DirectoryStore) -> None:
    archive = Archive(environments=Environments(directory))
    written(archive, *range(1, KEPT + 5))
    copies = archive.versions(WANTED)
    numbers = [each.environment and each.environment.next for each in copies.earlier]
    assert numbers == list(range(KEPT + 3, 4, -1))
    assert directory.keys("") == (KEY,)


def test_a_damaged_document_is_kept_when_it_is_replaced(directory: DirectoryStore) -> None:
    archive = Archive(environments=Environments(directory))
    written(archive, 1)
    (directory.folder / KEY).write_bytes(b"by hand")
    archive.restore(archive.restoration(WANTED, None))
    kept = [each.data for each in directory.versions(KEY)]
    assert kept[1] == b"by hand"
    assert len(kept) == 3
    modes = {
        each.stat().st_mode & 0o777 for each in (directory.folder / ".versions" / KEY).iterdir()
    }
    assert modes == {0o600}


def test_a_version_that_cannot_be_kept_does_not_stop_the_write(
    directory: DirectoryStore, tmp_path: Path
) -> None:
    archive = Archive(environments=Environments(directory))
    (tmp_path / "state").mkdir()
    (tmp_path / "state/.versions").write_text("in the way")
    written(archive, 1)
    written(archive, 2)
    assert archive.environments.load(WANTED).environment.next == 2


def test_a_lease_in_an_earlier_version_is_compared_with_the_clock(
    directory: DirectoryStore, clock: FakeClock
) -> None:
    held = leases(directory, clock).take(WANTED, "promote")
    mine: LeaseManager = leases(directory, clock, report=Heard())
    with pytest.raises(LeaseHeldError):
        mine.require_over(held.read())
    clock.tick(61)
    mine.require_over(held.read())
