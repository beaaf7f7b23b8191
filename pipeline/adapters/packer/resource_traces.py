"""Find the resources that Packer names in its output, for the clean-up of a build that is killed.

Packer prints no such fact in machine-readable form, so the sentences of its Amazon builders are
read (builder/amazon/common in 1.6.6, packer-plugin-amazon builder/common since).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pipeline.core.bake.model import BuildResources

_TRACES = {
    "key_pairs": re.compile(rb"Creating temporary keypair: (packer_[0-9a-f-]+)"),
    "security_groups": re.compile(rb"Creating temporary security group[^:]*: (packer_[0-9a-f-]+)"),
    "profiles": re.compile(rb"Creating temporary instance profile[^:]*: (packer-[0-9a-f-]+)"),
    "launch_templates": re.compile(rb"Created Spot Fleet launch template: (lt-[0-9a-f]+)"),
    "instances": re.compile(rb"Instance ID: (i-[0-9a-f]+)"),
    "images": re.compile(rb"AMI: (ami-[0-9a-f]+)"),
    "sources": re.compile(rb"Found Image ID: (ami-[0-9a-f]+)"),
}
_COPYING = re.compile(rb"Copying to: ([a-z]{2,4}(?:-[a-z]+)+-\d+)")
_BEFORE_LAUNCH = ("key_pairs", "security_groups", "profiles", "launch_templates", "sources")
_MAKING = re.compile(rb"(?:Creating|Registering) (?:\w+ )*AMI\b")
_BETWEEN = b"Attaching run tags to AMI"
"""Plugin 1.8 prints this between "Creating AMI" and the AMI's id."""
_TRACE_WORDS = (
    b": Creating ",
    b": Created ",
    b": Registering ",
    b": Instance ID: ",
    b": Found Image ID: ",
    b": Copying to: ",
)


def may_name_resources(data: bytes) -> bool:
    """Return False if no line of these bytes can name a resource, which is quick to find out."""
    return any(word in data for word in _TRACE_WORDS)


@dataclass(kw_only=True, slots=True)
class ResourceTraces:
    """The resources that each build named so far; `read` takes the lines of builds in order."""

    named: dict[str, dict[bytes, str]] = field(default_factory=dict)
    copied_to: dict[str, None] = field(default_factory=dict)
    _launched: set[bytes] = field(default_factory=set)
    _making: set[bytes] = field(default_factory=set)

    @property
    def awaits_image(self) -> bool:
        """True if a build has announced an AMI whose id follows."""
        return bool(self._making)

    @property
    def resources(self) -> BuildResources:
        """The resources of all builds."""
        named = {kind: self._all(kind) for kind in _TRACES if kind != "sources"}
        return BuildResources(**named, regions=tuple(self.copied_to))

    @property
    def source_ami(self) -> str:
        """The source image; empty unless all builds use the same one."""
        sources = set(self._all("sources"))
        return sources.pop() if len(sources) == 1 else ""

    def read(self, kind: bytes, build: bytes, words: bytes) -> None:
        """Record the resources that Packer names; a provisioner can print the same text.

        The temporary resources and the source are named before the instance's id, and so before
        any provisioner. The AMI is named right after its creation is announced. Up to 1.12 a
        provisioner cannot `say`; later the last such pair is Packer's, because the provisioners
        have ended.
        """
        if build in self._making:
            if not words.startswith(_BETWEEN):
                self._making.discard(build)
                self._record("images", build, words)
        elif kind == b"say" and _MAKING.match(words):
            self._making.add(build)
        elif build not in self._launched:
            for what in _BEFORE_LAUNCH:
                self._record(what, build, words)
            if self._record("instances", build, words):
                self._launched.add(build)
        elif copying := _COPYING.match(words):
            self.copied_to[copying[1].decode()] = None

    def _record(self, what: str, build: bytes, words: bytes) -> bool:
        found = _TRACES[what].match(words)
        if found:
            self.named.setdefault(what, {})[build] = found[1].decode()
        return found is not None

    def _all(self, kind: str) -> tuple[str, ...]:
        return tuple(self.named.get(kind, {}).values())
