"""What `doctor` finds: one line for each check, and what a file system is good for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How a check ended: `ADVICE` is worth doing, `PROBLEM` stands in the way."""

    OK = "ok"
    ADVICE = "advice"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was looked at; `remedy` is what to type, empty where all is well."""

    name: str
    what: str
    grade: Grade = Grade.OK
    remedy: str = ""


def healthy(checks: Iterable[Check]) -> bool:
    """Whether no check found a problem."""
    return all(check.grade is not Grade.PROBLEM for check in checks)


_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "bcachefs"})
_PASSING = frozenset({"tmpfs", "ramfs", "overlay", "aufs"})
_UNLOCKED = frozenset({"nolock", "local_lock=all", "local_lock=flock", "nobrl", "localflock"})
_S3 = 'keep state in S3, [state] url = "s3://bucket/prefix", or on a file system of this machine'
_ALONE = "do not share it among machines; for several: " + _S3


def judged(kind: str, options: Iterable[str]) -> Check:
    """Return what is known of a file system by its type and mount options, as in /proc/mounts.

    flock(2) is among machines on NFS since Linux 2.6.12, unless the mount keeps it local (nfs(5),
    `local_lock`, `nolock`); on SMB unless `nobrl` (mount.cifs(8)); on Lustre only with `flock`
    (mount.lustre(8)). What FUSE does is its program's affair: sshfs locks on one machine only.
    """
    given = frozenset(options)
    what, grade, now = _judged_local(kind) or _judged_shared(kind, given)
    return Check(name="file system", what=what, grade=grade, remedy=now)


_Judged = tuple[str, Grade, str]


def _judged_local(kind: str) -> _Judged | None:
    if kind in _LOCAL:
        return f"{kind}, of this machine", Grade.OK, ""
    if kind in _PASSING:
        what = f"{kind}: what is on it goes with the machine or the container"
        return what, Grade.ADVICE, _S3
    return None


def _judged_shared(kind: str, given: frozenset[str]) -> _Judged:
    if off := sorted(given & _UNLOCKED):
        what = f"{kind} mounted with {off[0]}: locks are not seen by other machines"
        return what, Grade.PROBLEM, _S3
    match kind:
        case "nfs4":
            return "NFSv4, shared: it locks among machines", Grade.OK, ""
        case "lustre" if "flock" in given:
            return "lustre, shared: it locks among machines", Grade.OK, ""
        case "nfs":
            what = "NFSv3: locks are seen by others while its lock daemon runs, new names late"
            return what, Grade.ADVICE, "mount it with vers=4"
        case "fuse.sshfs":
            return "sshfs: locks are not seen by other machines", Grade.ADVICE, _ALONE
    what = f"{kind or 'unknown'}: whether its locks are seen by other machines is not known"
    return what, Grade.ADVICE, _ALONE
