from __future__ import annotations

from pipeline.core.changes.model import MOST_LISTED, Package, PackageUpdate
from pipeline.core.changes.packages import MOST_LINES, package_changes, read_packages
from pipeline.core.changes.versions import is_older

# The forms of `rpm -qa` on Amazon Linux 2023 and of `dpkg-query -W` on Debian 12.
RPM = """\
kernel-6.1.112-122.189.amzn2023.x86_64
kernel-6.1.115-126.197.amzn2023.x86_64
python3-pip-wheel-21.3.1-2.amzn2023.0.9.noarch
gpg-pubkey-d832c631-6515c85e
libstdc++-11.4.1-2.amzn2023.0.2.x86_64
"""
DPKG = """\
adduser\t3.134
libc6:amd64\t2.36-9+deb12u8
libc6:i386\t2.36-9+deb12u8
linux-image-amd64\t6.1.115-1
perl\t5.36.0-7+deb12u1
"""


def test_both_lists_are_read() -> None:
    assert read_packages(RPM) == (
        Package(name="kernel", version="6.1.112-122.189.amzn2023", arch="x86_64"),
        Package(name="kernel", version="6.1.115-126.197.amzn2023", arch="x86_64"),
        Package(name="libstdc++", version="11.4.1-2.amzn2023.0.2", arch="x86_64"),
        Package(name="python3-pip-wheel", version="21.3.1-2.amzn2023.0.9", arch="noarch"),
    )
    assert [(each.name, each.arch, each.version) for each in read_packages(DPKG)] == [
        ("adduser", "", "3.134"),
        ("libc6", "amd64", "2.36-9+deb12u8"),
        ("libc6", "i386", "2.36-9+deb12u8"),
        ("linux-image-amd64", "", "6.1.115-1"),
        ("perl", "", "5.36.0-7+deb12u1"),
    ]


def test_a_file_that_is_no_list_has_no_packages() -> None:
    hostile = "\x1b[2J\n" + "x" * 10_000 + "\nname only\n<b>a</b>\t1\nbash: rpm: not found\n"
    assert read_packages(hostile) == ()
    assert len(read_packages("".join(f"p{n}\t1\n" for n in range(MOST_LINES + 5)))) == MOST_LINES


def test_packages_are_compared_by_name_and_architecture() -> None:
    def package(text: str, arch: str = "amd64") -> Package:
        name, _, version = text.partition(" ")
        return Package(name=name, version=version, arch=arch)

    old = map(package, ("bash 5.2-1", "curl 8.1", "jq 1.6", "telnet 0.17", "kernel 6.1.1"))
    new = map(package, ("bash 5.2-1", "curl 8.2", "jq 1.5", "strace 6.1", "kernel 6.1.1"))
    newer = [*new, package("kernel 6.1.2"), package("bash 5.2-1", "arm64")]
    changes = package_changes(old, newer)
    assert changes.added == (package("bash 5.2-1", "arm64"), package("strace 6.1"))
    assert changes.removed == (package("telnet 0.17"),)
    assert changes.upgraded == (
        PackageUpdate(name="kernel", before="6.1.1", after="6.1.2", arch="amd64"),
        PackageUpdate(name="curl", before="8.1", after="8.2", arch="amd64"),
    )
    assert changes.downgraded == (
        PackageUpdate(name="jq", before="1.6", after="1.5", arch="amd64"),
    )
    assert changes.total == 6


def test_more_packages_than_a_record_lists_are_counted() -> None:
    many = [Package(name=f"p{n}", version="1") for n in range(MOST_LISTED + 7)]
    changes = package_changes([], many)
    assert (len(changes.added), changes.more, changes.total) == (MOST_LISTED, 7, MOST_LISTED + 7)


def test_versions_are_ordered_as_debian_and_rpm_order_them() -> None:
    rising = (
        "1.0~rc1-1",
        "1.0-1",
        "1.0-1+deb12u1",
        "1.0-1.amzn2023",
        "1.0.1-1",
        "1.9-1",
        "1.10-1",
        "6.1.112-122.189.amzn2023",
        "6.1.115-126.197.amzn2023",
        "1:0.1-1",
    )
    pairs = [(a, b) for n, a in enumerate(rising) for b in rising[n + 1 :]]
    assert [pair for pair in pairs if not is_older(*pair) or is_older(*reversed(pair))] == []
