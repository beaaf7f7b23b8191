from __future__ import annotations

import pytest

from pipeline.adapters.packer.build_names import BuildNames, escape
from pipeline.adapters.packer.stream import StreamReader, parse_log

NAMES = ("app", "a, b", "web: prod", "web (prod)", "a,artifact,0", "x): y", "ünï")
AMI = "ami-0000000000000001"


def printed(name: str) -> bytes:
    """Return what Packer 1.6.6 prints for a build of this name that ends well."""
    said = escape(name).decode()
    return (
        f"1,,ui,say,==> {said}: Creating temporary keypair: packer_6b-1\n"
        f"1,,ui,say,==> {said}: Creating temporary security group for this instance: packer_6b-2\n"
        f"1,,ui,message,    {said}: Instance ID: i-01\n"
        f"1,,ui,message,    {said}: Creating AMI x: y%!(PACKER_COMMA) of a provisioner\n"
        f"1,,ui,say,==> {said}: Creating AMI x from instance i-01\n"
        f"1,,ui,message,    {said}: AMI: {AMI}\n"
        f"1,,ui,say,==> {said} (shell-local): Running local shell script: /tmp/x\n"
        f"1,,ui,say,Build '{said}' finished after 37 milliseconds 399 microseconds.\n"
        f"1,{name},artifact-count,1\n"
        f"1,{name},artifact,0,builder-id,mitchellh.amazonebs\n"
        f"1,{name},artifact,0,id,us-east-1:{AMI}%!(PACKER_COMMA)us-west-2:{AMI}\n"
        f"1,{name},artifact,0,string,AMIs were created:\\nus-east-1: {AMI}\n"
        f"1,{name},artifact,0,files-count,0\n"
        f"1,{name},artifact,0,end\n"
    ).encode()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("declared", [(), (("web", "amazon-ebs"), ("a", "null"))])
def test_a_name_of_any_characters_is_read_whole(
    name: str, declared: tuple[tuple[str, str], ...]
) -> None:
    names = BuildNames((*declared, (name, "amazon-ebs")) if declared else ())
    reader = StreamReader(names=names)
    reader.feed(printed(name))
    stream = reader.close()
    assert stream.images() == {name: {"us-east-1": AMI, "us-west-2": AMI}}
    assert stream.builds() == (name,)
    assert stream.resources.key_pairs == ("packer_6b-1",)
    assert stream.resources.security_groups == ("packer_6b-2",)
    assert stream.resources.instances == ("i-01",)
    assert stream.resources.images == (AMI,)
    assert stream.last(name)[-1] == f"AMI: {AMI}"


@pytest.mark.parametrize("name", NAMES)
def test_an_error_of_a_build_of_any_name_is_its_own(name: str) -> None:
    reader = StreamReader()
    reader.feed(f"1,{name},error,no%!(PACKER_COMMA) error\n".encode())
    assert reader.close().errors == {name: "no, error"}


@pytest.mark.parametrize("name", NAMES)
def test_a_build_that_has_not_ended_has_its_whole_name_too(name: str) -> None:
    reader = StreamReader(names=BuildNames([(name, "null")]))
    reader.feed(printed(name).split(b"1,,ui,say,Build")[0])
    assert reader.close().builds() == (name,)


@pytest.mark.parametrize("name", NAMES)
def test_the_log_of_a_build_of_any_name_names_its_resources(name: str) -> None:
    log = bytearray()
    reader = StreamReader(log=log.extend)
    reader.feed(printed(name))
    found = parse_log(bytes(log))
    assert found.key_pairs == ("packer_6b-1",)
    assert found.security_groups == ("packer_6b-2",)


@pytest.mark.parametrize("declared", ["web-{{user `env`}}: x", "web-prod: x"])
def test_packer_evaluates_calls_in_a_name_and_puts_the_type_before_it(declared: str) -> None:
    names = BuildNames([(declared, "amazon-ebs")])
    for name in (b"web-prod: x", b"amazon-ebs.web-prod: x"):
        assert names.split(b"==> " + name + b": a: b") == (name, False, b"a: b")
        assert names.split(b"    " + name + b" (shell-local): a") == (
            name + b" (shell-local)",
            True,
            b"a",
        )


def test_the_longest_of_two_names_is_meant() -> None:
    names = BuildNames([("web", "null"), ("web: prod", "null")])
    assert names.split(b"==> web: prod: a") == (b"web: prod", False, b"a")
    assert names.split(b"==> web: product: a") == (b"web", False, b"product: a")


def test_packers_own_words_belong_to_no_build() -> None:
    assert BuildNames().split(b"\\n==> Wait completed") == (b"", False, b"==> Wait completed")
    assert BuildNames().split(b"Build 'a: b' errored") == (b"", False, b"Build 'a: b' errored")
