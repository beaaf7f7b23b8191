"""Define the checks of `doctor`, and check whether a file system is safe for a shared store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """The result of a check: `ADVICE` is a recommendation, `PROBLEM` must be fixed."""

    OK = "ok"
    ADVICE = "advice"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One check with its result; `remedy` is empty if there is nothing to do."""

    name: str
    what: str
    grade: Grade = Grade.OK
    remedy: str = ""


def all_passed(checks: Iterable[Check]) -> bool:
    """Return True if no check found a problem."""
    return all(check.grade is not Grade.PROBLEM for check in checks)


_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "bcachefs"})
_PASSING = frozenset({"tmpfs", "ramfs", "overlay", "aufs"})
_UNLOCKED = frozenset({"nolock", "local_lock=all", "local_lock=flock", "nobrl", "localflock"})
_S3 = 'keep state in S3, [state] url = "s3://bucket/prefix", or in a local file system'
_ALONE = "do not share it between machines; for several machines: " + _S3


def check_file_system(kind: str, options: Iterable[str]) -> Check:
    """Return the check of a file system by its type and mount options, as in /proc/mounts.

    flock(2) works between machines on NFS since Linux 2.6.12, unless the mount keeps it local
    (nfs(5), `local_lock`, `nolock`); on SMB unless `nobrl` (mount.cifs(8)); on Lustre only with
    `flock` (mount.lustre(8)). For FUSE it depends on the program: sshfs locks on one machine only.
    """
    given = frozenset(options)
    what, grade, remedy = _check_local(kind) or _check_shared(kind, given)
    return Check(name="file system", what=what, grade=grade, remedy=remedy)


_Result = tuple[str, Grade, str]


def _check_local(kind: str) -> _Result | None:
    if kind in _LOCAL:
        return f"{kind}, local", Grade.OK, ""
    if kind in _PASSING:
        what = f"{kind}: its files are lost with the machine or the container"
        return what, Grade.ADVICE, _S3
    return None


def _check_shared(kind: str, given: frozenset[str]) -> _Result:
    if off := sorted(given & _UNLOCKED):
        what = f"{kind} mounted with {off[0]}: other machines do not see its locks"
        return what, Grade.PROBLEM, _S3
    match kind:
        case "nfs4":
            return "NFSv4, shared: its locks work between machines", Grade.OK, ""
        case "lustre" if "flock" in given:
            return "lustre, shared: its locks work between machines", Grade.OK, ""
        case "nfs":
            what = "NFSv3, shared: its locks need the lock daemon, and new files appear late"
            return what, Grade.ADVICE, "mount it with the option vers=4"
        case "fuse.sshfs":
            return "sshfs: other machines do not see its locks", Grade.ADVICE, _ALONE
    what = f"{kind or 'unknown'}: it is unknown whether other machines see its locks"
    return what, Grade.ADVICE, _ALONE
