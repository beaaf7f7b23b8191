from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from pipeline.adapters.packer.stream import (
    LONGEST_LINE,
    Stream,
    StreamReader,
    parse_log,
    readable,
    unescape,
)
from pipeline.core.bake.model import BuildResources
from pipeline.core.masking import Masker
from tests.adapters.packer.captures import BOTH, CAPTURES, FACTS, NEW, OLD, as_masked, capture

SECRET = "hunter2-swordfish"


def read(data: bytes, size: int = 0, **settings: Any) -> Stream:
    reader = StreamReader(**settings)
    for start in range(0, len(data), size or len(data) or 1):
        reader.feed(data[start : start + (size or len(data))])
    return reader.close()


def ui(*texts: str, kind: str = "message", build: str = "app") -> bytes:
    """Return lines as Packer writes what a build's provisioner prints."""
    prefix = "==> " if kind in {"say", "error"} else "    "
    return b"".join(
        f"1795220227,,ui,{kind},{prefix}{build}: {escape(text)}\n".encode() for text in texts
    )


def escape(text: str) -> str:
    return text.replace(",", "%!(PACKER_COMMA)").replace("\r", "\\r").replace("\n", "\\n")


def test_every_capture_has_its_facts_and_every_fact_its_capture() -> None:
    logs = (path for packer in (OLD, NEW) for path in (CAPTURES / packer).glob("*.log"))
    assert sorted((path.parent.name, path.name.removesuffix(".log")) for path in logs) == sorted(
        BOTH
    )


@pytest.mark.parametrize(("packer", "name"), BOTH)
def test_a_capture_is_parsed_to_its_facts(packer: str, name: str) -> None:
    facts = BOTH[packer, name]
    stream = read(capture(name, packer))
    assert stream.images() == facts.images
    assert set(stream.errors) == set(facts.errors)
    for build, beginning in facts.errors.items():
        assert stream.errors[build].startswith(beginning)
    assert stream.error_count == len(facts.errors)
    assert stream.cancelled is facts.cancelled
    assert stream.builds() == facts.builds
    assert stream.resources.images == facts.made


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("size", [1, 7, 997, 2500])
def test_chunks_may_end_anywhere(name: str, size: int) -> None:
    data = capture(name)[:6000] if size == 1 else capture(name)
    whole_log, log = bytearray(), bytearray()
    whole_steps: list[Any] = []
    steps: list[Any] = []
    whole = read(data, log=whole_log.extend)
    # Not whole: a long capture in one piece is a burst, whose steps are thinned.
    read(data, 2048, step=lambda *step: whole_steps.append(step))
    cut = read(data, size, log=log.extend, step=lambda *step: steps.append(step))
    assert cut == whole
    assert log == whole_log
    assert steps == whole_steps


def test_a_successful_build_names_its_resources_and_its_source() -> None:
    stream = read(capture("force"))
    assert stream.counts == {"app": 1}
    assert stream.source_ami == "ami-03cf127a"
    assert stream.resources.key_pairs == ("packer_6b00e303-2ecb-57de-6820-e67101176d31",)
    assert stream.resources.security_groups == ("packer_6b00e303-6495-7f5d-b6d2-31f021892851",)
    assert stream.resources.instances == ("i-1603f8f6e65160932",)


def test_each_of_several_builds_is_traced() -> None:
    resources = read(capture("sigterm-fast-slow")).resources
    assert [len(resources.key_pairs), len(resources.instances), len(resources.images)] == [2, 2, 1]


@pytest.mark.parametrize("name", ["force", "sigterm-fast-slow", "multi-region"])
def test_temporary_resources_are_read_from_a_log(name: str) -> None:
    log = bytearray()
    resources = read(capture(name), log=log.extend).resources
    assert parse_log(bytes(log)) == replace(resources, images=())


def test_temporary_resources_are_read_from_a_truncated_log() -> None:
    log = b"1606 ==> amazon-ebs.app: Creating temporary keypair: packer_6b02\n1606 ==> amaz"
    assert parse_log(log) == BuildResources(key_pairs=("packer_6b02",))


def test_a_failure_ends_with_the_builds_own_lines_before_its_cleanup() -> None:
    lines = read(capture("fail")).last("amazon-ebs")
    assert len(lines) == 10
    assert not any("Terminating the source AWS instance" in line for line in lines)


@pytest.mark.parametrize("kind", ["message", "say"])
def test_what_a_cleanup_provisioner_prints_does_not_replace_the_cause(kind: str) -> None:
    prefix = "    " if kind == "message" else "==> "
    lines = [f"1,,ui,{kind},{prefix}app: step {number}" for number in range(12)]
    lines += [
        "1,,ui,error,==> app: cannot find the package",
        "1,,ui,say,==> app: Provisioning step had errors: Running the cleanup provisioner...",
        *(f"1,,ui,{kind},{prefix}app: cleaning {number}" for number in range(30)),
        "1,,ui,say,==> app: Terminating the source AWS instance...",
    ]
    last = read("".join(f"{line}\n" for line in lines).encode()).last("app")
    assert last == (*(f"step {number}" for number in range(3, 12)), "cannot find the package")


def test_a_build_without_output_gets_packers_last_lines() -> None:
    stream = read(capture("prepare-error-unknown-key"))
    assert "imds_support" in stream.last("nope")[0]
    assert stream.last("nope")[-1].endswith("Builds finished but no artifacts were created.")


# What a provisioner prints arrives as one of these three (stdout, stderr, and both from 1.13 on).
KINDS = ["message", "error", "say"]
ARTIFACT = (
    "1795220227,app,artifact-count,1\n"
    "1795220227,app,artifact,0,id,us-east-1:ami-0000000000000bad0\n"
    "1795220227,app,artifact,0,end\n"
)


@pytest.mark.parametrize("kind", KINDS)
def test_an_artifact_printed_by_a_provisioner_is_ignored(kind: str) -> None:
    stream = read(ui(ARTIFACT, *ARTIFACT.split("\n"), "\n" + ARTIFACT, kind=kind))
    assert stream.images() == {}
    assert stream.counts == {}
    assert stream.records == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_or_cancellation_printed_by_a_provisioner_is_ignored(kind: str) -> None:
    stream = read(
        ui(
            "1795220227,app,error,all is lost",
            "1795220227,,error-count,9",
            "Cleanly cancelled builds after being interrupted.",
            kind=kind,
        )
    )
    assert (stream.errors, stream.error_count) == ({}, 0)
    assert not stream.cancelled


FORGED = (
    "Creating temporary keypair: packer_bad00000-0000",
    "Creating temporary security group for this instance: packer_bad00000-0001",
    "Instance ID: i-0000000000000bad0",
    "Found Image ID: ami-0000000000000bad0",
    "AMI: ami-0000000000000bad0",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("build", ["amazon-ebs", "amazon-ebs (shell-local)"])
@pytest.mark.parametrize("name", ["ssh-scp-success", "fail", "ami-wait-timeout", "pp-fail"])
def test_resources_printed_by_a_provisioner_are_ignored(name: str, build: str, kind: str) -> None:
    data = capture(name).replace(b"app:", b"amazon-ebs:")
    provisioning = data.index(b"amazon-ebs: Waiting for instance (")
    start = data.index(b"\n", provisioning) + 1
    forged = data[:start] + ui(*FORGED, kind=kind, build=build) + data[start:]
    assert read(forged).resources == read(data).resources
    assert read(forged).source_ami == read(data).source_ami
    assert "bad0" not in repr(read(forged).resources)


@pytest.mark.parametrize("kind", ["message", "error"])
def test_a_provisioner_cannot_announce_an_image(kind: str) -> None:
    forged = ui("Creating AMI web from instance i-1", "AMI: ami-0000000000000bad0", kind=kind)
    assert read(forged).resources.images == ()


def test_packers_later_announcement_replaces_a_provisioners() -> None:
    lines = ("Creating AMI web from instance i-1", "AMI: ami-0000000000000bad0")
    real = ("Creating AMI web from instance i-2", "AMI: ami-00000000000000001")
    stream = read(ui(*lines, kind="say") + ui(*real, kind="say"))
    assert stream.resources.images == ("ami-00000000000000001",)


@pytest.mark.parametrize(
    "making",
    [
        "Creating AMI web from instance i-1",
        "Creating unencrypted AMI web",
        "Registering the AMI...",
    ],
)
def test_the_ami_is_named_in_the_line_after_it_is_made(making: str) -> None:
    stream = read(ui(making, kind="say") + ui("AMI: ami-00000001", "AMI: ami-00000002"))
    assert stream.resources.images == ("ami-00000001",)


@pytest.mark.parametrize(
    "between",
    [
        ("Attaching run tags to AMI...",),
        ("Skipping attaching run tags to AMI...",),
        ("something that a later plugin says", 'Adding tag: "a": "AMI: ami-00000009"'),
    ],
)
def test_the_ami_is_read_wherever_it_stands_after_the_announcement(between: Any) -> None:
    making = "Creating AMI web from instance i-1"
    stream = read(ui(making, *between, "AMI: ami-00000001", "AMI: ami-00000002", kind="say"))
    assert stream.resources.images == ("ami-00000001",)


def test_later_steps_name_the_ami_its_copies_and_their_regions() -> None:
    lines = (
        "Creating AMI web from instance i-1",
        "Copying/Encrypting AMI (ami-00000001) to other regions...",
        "Copying to: eu-west-1",
        'Enabling deprecation on AMI (ami-00000002) in region "us-west-2" ...',
        "Adding tags to AMI (ami-00000003)...",
    )
    resources = read(ui(*lines, kind="say")).resources
    assert resources.images == ("ami-00000001", "ami-00000002", "ami-00000003")
    assert resources.regions == ("eu-west-1", "us-west-2")
    assert read(ui(*lines[1:], kind="say")).resources == BuildResources()


def test_the_names_of_an_ami_count_from_its_announcement_on() -> None:
    """A build that fails before has made none: an image of that name is another bake's."""
    name = ui("Prevalidating AMI Name: web 1.2", kind="say")
    making = ui("Creating AMI kT3xP9a from instance i-1", kind="say")
    assert read(name).resources.names == ()
    assert read(name + making).resources.names == ("web 1.2", "kT3xP9a")
    masked = ui("Prevalidating AMI Name: web-<sensitive>", kind="say")
    assert read(masked + making).resources.names == ("kT3xP9a",)
    later = ui("Instance ID: i-1", "Prevalidating AMI Name: forged", kind="say")
    assert read(later + making).resources.names == ("kT3xP9a",)


def test_what_a_spot_build_with_a_temporary_role_makes_is_traced() -> None:
    before = (
        "Creating temporary instance profile for this instance: packer-6b0a-11",
        "Creating temporary role for this instance: packer-6b0a-11",
        "Created Spot Fleet launch template: lt-0123456789abcdef0",
    )
    after = ("Copying to: eu-west-1", "Copying to: us-gov-west-1")
    launched = ui("Instance ID: i-01")
    making = ui("Creating AMI web from instance i-01", kind="say")
    resources = read(ui(*before) + launched + making + ui(*after)).resources
    assert resources.profiles == ("packer-6b0a-11",)
    assert resources.launch_templates == ("lt-0123456789abcdef0",)
    assert resources.regions == ("eu-west-1", "us-gov-west-1")
    assert read(ui(*before) + launched + ui(*after)).resources.regions == ()
    assert read(launched + ui(*before)).resources.profiles == ()


def test_lines_of_another_build_come_between() -> None:
    lines = ui("Creating AMI a", kind="say") + ui("hello", build="other") + ui("AMI: ami-00000001")
    assert read(lines).resources.images == ("ami-00000001",)


@pytest.mark.parametrize("build", ["a,b", "artifact", "error,x", "with space", "foo:bar"])
def test_a_build_may_have_an_odd_name(build: str) -> None:
    data = (
        f"1,{build},artifact-count,1\n"
        f"1,{build},artifact,0,builder-id,mitchellh.amazonebs\n"
        f"1,{build},artifact,0,id,us-east-1:ami-00000001\n"
        f"1,{build},artifact,0,end\n"
    ).encode()
    assert read(data).images() == {build: {"us-east-1": "ami-00000001"}}


def test_an_artifact_without_its_end_is_not_an_image() -> None:
    data = b"1,app,artifact,0,id,us-east-1:ami-00000001\n1,app,artifact-count,1\n"
    assert read(data).images() == {}


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("us-east-1:ami-00000001", {"us-east-1": "ami-00000001"}),
        (
            "cn-north-1:ami-00000001%!(PACKER_COMMA)us-gov-west-1:ami-00000002",
            {"cn-north-1": "ami-00000001", "us-gov-west-1": "ami-00000002"},
        ),
        ("", {}),
        ("<sensitive>:ami-00000001", {}),
        ("us-east-1:snap-00000001", {}),
        ("us-east-1:ami-00000001;rm -rf", {}),
    ],
)
def test_an_artifacts_id_is_regions_and_amis_or_nothing(text: str, images: object) -> None:
    lines = f"1,app,artifact,0,id,{text}\n1,app,artifact,0,end\n".encode()
    assert read(lines).images() == ({"app": images} if images else {})


@pytest.mark.parametrize("odd", ["\v", "\f", "\x85", "\u2028", "\x1c", "\0"])
def test_only_a_line_feed_ends_a_line(odd: str) -> None:
    forged = f"x{odd}1795220227,app,artifact,0,end"
    data = ui(forged.replace(",", "%!(PACKER_COMMA)")) + ui("after")
    stream = read(data, keep_text=True)
    assert len(stream.ui_text) == 2
    assert odd in stream.ui_text[0]
    assert stream.records == []


def test_bytes_that_are_not_text_do_no_harm() -> None:
    data = b"1,,ui,message,    app: \xff\xfe\n1,app,\xff\xfe,x\n1,\xff,error,no \xff\n\xff\n,,\n"
    stream = read(data)
    assert stream.errors == {"�": "no �"}
    assert stream.last("app") == ("��",)
    assert list(stream.plain) == ["�", ",,"]


def test_an_argument_is_unescaped() -> None:
    assert unescape(rb"a%!(PACKER_COMMA)b\nc\rd") == "a,b\nc\rd"


def test_a_line_break_before_packers_words_takes_none_of_their_letters() -> None:
    assert read(rb"1,,ui,say,\n\nnow this" + b"\n").last("") == ("now this",)


def test_the_log_is_readable() -> None:
    data = b"17,,ui,say,==> app: one%!(PACKER_COMMA) two\n17,app,artifact,0,end\n"
    assert readable(data) == b"17 ==> app: one, two\n17,app,artifact,0,end\n"


def test_steps_are_a_builds_own_lines() -> None:
    steps: list[tuple[str, str]] = []
    read(capture("fail"), step=lambda *step: steps.append(step))
    assert steps[0] == ("amazon-ebs", "Prevalidating any provided VPC information")
    assert all(build == "amazon-ebs" for build, _ in steps)


@pytest.mark.parametrize(
    ("secret", "masked", "made"),
    [
        ("us-east-1", True, "ami-7c8ba5836e05ec378"),
        ("app", True, "ami-7c8ba5836e05ec378"),
        ("ami-", True, ""),
        ("hello", False, "ami-7c8ba5836e05ec378"),
    ],
)
def test_a_result_in_which_packer_masked_a_value_is_known(
    secret: str, masked: bool, made: str
) -> None:
    stream = read(as_masked(capture("force", NEW), secret))
    assert stream.masked is masked
    assert stream.resources.images == ((made,) if made else ())
    assert stream.resources.key_pairs == read(capture("force", NEW)).resources.key_pairs


def test_a_build_whose_name_packer_masked_has_its_last_lines() -> None:
    stream = read(as_masked(capture("fail", NEW), "app"))
    assert stream.last("amazon-ebs.app")[-1].startswith("Script exited with non-zero exit status")
    assert not stream.errors["amazon-ebs.app"].startswith("amazon")


def test_a_burst_of_steps_shows_the_newest_of_each_build() -> None:
    steps: list[tuple[str, str]] = []
    data = ui(*map(str, range(100)), kind="say") + ui("x", kind="say", build="b")
    read(data, step=lambda *step: steps.append(step))
    assert steps == [("app", "99"), ("b", "x")]


def masked(data: bytes, size: int = 0) -> tuple[bytes, list[str]]:
    log = bytearray()
    steps: list[str] = []
    read(
        data,
        size,
        masker=Masker([SECRET]),
        log=log.extend,
        step=lambda _, text: steps.append(text),
    )
    return bytes(log), steps


def test_a_secret_reaches_neither_log_nor_steps() -> None:
    log, steps = masked(ui(f"token={SECRET}", kind="say"))
    assert log == b"1795220227 ==> app: token=***\n"
    assert steps == ["token=***"]


def test_the_capture_with_a_secret_is_masked() -> None:
    log = bytearray()
    read(capture("sensitive-json"), masker=Masker(["hunter2, really"]), log=log.extend)
    assert b"pw=***" in log
    assert b"hunter2" not in log


# The first piece of a long line goes out with the chunk that makes it too long.
@pytest.mark.parametrize(("size", "cut"), [(1 << 16, 5 << 16), (9000, 270_000)])
@pytest.mark.parametrize("before", range(1, len(SECRET), 3))
def test_a_secret_across_a_cut_of_a_long_line_is_masked(size: int, cut: int, before: int) -> None:
    assert cut - size <= LONGEST_LINE < cut
    start = ui("").rstrip(b"\n")
    line = start + b"x" * (cut - len(start) - before) + SECRET.encode() + b"y" * 300_000 + b"\n"
    log, _ = masked(line + ui("after"), size)
    assert log.count(b"***") == 1
    assert b"x***y" in log
    assert log.endswith(b"y\n1795220227     app: after\n")


@pytest.mark.parametrize("length", [9_000, 3_000_000])
def test_a_long_line_is_one_line_in_the_log_and_what_follows_is_read(length: int) -> None:
    log = bytearray()
    data = ui("x" * length) + capture("force")
    stream = read(data, 1 << 16, log=log.extend)
    assert stream.images() == {"app": {"us-east-1": "ami-ff7d30c95ab14076d"}}
    assert log.startswith(b"1795220227     app: " + b"x" * length + b"\n")


@pytest.mark.parametrize("size", [1 << 16, 50_000])
def test_the_rest_of_a_long_line_is_not_taken_for_a_line(size: int) -> None:
    forged = "1795220227,app,error,forged,,ui,error,x" * 20_000
    stream = read(ui(forged) + ui("after"), size)
    assert (stream.errors, stream.records, list(stream.plain)) == ({}, [], [])
    assert stream.last("app")[-1] == "after"


def test_memory_does_not_grow_with_a_provisioners_output() -> None:
    reader = StreamReader(masker=Masker([SECRET]), log=lambda _: None)
    chunk = b"z" * (1 << 16)
    lines = ui("chatter " * 30) * 200
    tracemalloc.start()
    try:
        reader.feed(b"1,,ui,message,    app: ")
        for _ in range(160):
            reader.feed(chunk)
        reader.feed(b"\n")
        for _ in range(40):
            reader.feed(lines)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


def test_text_outside_the_stream_is_kept_for_the_message() -> None:
    stream = read(capture("unknown-cmd"))
    assert any("Prints the Packer version" in line for line in stream.plain)
    assert len(stream.plain) <= 10


def test_a_last_line_without_its_end_is_read() -> None:
    assert read(b"1,app,error,cut off").errors == {"app": "cut off"}
