"""Turn the lines of Packer 1.6.6 into those of 1.16 with the Amazon plugin 1.8.3."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.standin.packer_template import Template

_UI = re.compile(rb"(\d+),,ui,(say|message|error),(.*)", re.DOTALL)
_RECORD = re.compile(rb"(\d+),([^,]+),(artifact-count|artifact|error),(.*)", re.DOTALL)
_OF_BUILD = re.compile(rb"(?:==> |    |--> )([^ ]+): (.*)", re.DOTALL)
_ENDED = re.compile(rb"Build '([^']+)'")
_INSTANCE = re.compile(rb"Instance ID: (i-[0-9a-f]+)")
_IMAGE = re.compile(rb"AMI: (ami-[0-9a-f]+)")
_POST_PROCESSOR = re.compile(rb"Running post-processor: ([\w-]+)")


class Output:
    """Translates line by line; remembers whether a build ran."""

    def __init__(self, template: Template, *, build: bool, only: bool) -> None:
        self._names = {name.partition(".")[2].encode(): name.encode() for name in template.builds}
        self._renames = template.old_style
        self._secrets = [each.encode() for each in template.secrets]
        self._build = build
        self._only = only
        self._ran = False
        self._instances: dict[bytes, str] = {}
        self._made: set[bytes] = set()

    @property
    def ran_nothing(self) -> bool:
        """True if a selection of builds matched none."""
        return self._build and self._only and not self._ran

    def lines(self, line: bytes) -> Iterator[bytes]:
        """Yield what 1.16 prints for a line of 1.6.6."""
        for each in self._translated(line):
            for secret in self._secrets:
                each = each.replace(secret, b"<sensitive>")  # noqa: PLW2901
            yield each

    def _translated(self, line: bytes) -> Iterator[bytes]:
        if found := _RECORD.fullmatch(line):
            self._ran = True
            yield b"%s,%s,%s,%s" % (found[1], self._name(found[2]), found[3], found[4])
        elif found := _UI.fullmatch(line):
            yield from self._said(found[1], found[2], found[3])
        else:
            yield line

    def _said(self, when: bytes, kind: bytes, text: bytes) -> Iterator[bytes]:
        spoken = _OF_BUILD.fullmatch(text)
        if not spoken or not self._build:
            text = _ENDED.sub(lambda each: b"Build '%s'" % self._name(each[1]), text)
            yield b"%s,,ui,%s,%s" % (when, kind, text)
            return
        self._ran = True
        build, words = self._name(spoken[1]), spoken[2]
        prefix = b"--> " if text.startswith(b"--> ") else b"==> "
        kind = b"say" if kind == b"message" else kind
        words = _POST_PROCESSOR.sub(rb"Running post-processor:  (type \1)", words)
        if words.startswith(b"Terminating the source AWS instance") and build in self._made:
            for skipped in (b"AMI deprecation", b"AMI deregistration protection"):
                yield b"%s,,ui,say,==> %s: Skipping Enable %s..." % (when, build, skipped)
        yield b"%s,,ui,%s,%s%s: %s" % (when, kind, prefix, build, words)
        if words.startswith(b"Creating AMI "):
            self._made.add(build)
            yield b"%s,,ui,say,==> %s: Attaching run tags to AMI..." % (when, build)
        self._tag(build, words)

    def _name(self, build: bytes) -> bytes:
        return self._names.get(build, build) if self._renames else build

    def _tag(self, build: bytes, words: bytes) -> None:
        """Put the instance's tags on the image, as CreateImage of the plugin does."""
        if found := _INSTANCE.match(words):
            self._instances[build] = found[1].decode()
        elif (found := _IMAGE.match(words)) and build in self._instances:
            import boto3  # noqa: PLC0415  takes longer than most commands

            ec2: Any = boto3.client("ec2")
            of_instance = [{"Name": "resource-id", "Values": [self._instances[build]]}]
            tags = ec2.describe_tags(Filters=of_instance)["Tags"]
            pairs = [{"Key": each["Key"], "Value": each["Value"]} for each in tags]
            ec2.create_tags(Resources=[found[1].decode()], Tags=pairs)
