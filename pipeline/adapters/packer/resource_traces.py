"""Find the resources that Packer names in its output, for the clean-up of a build that is killed.

Packer prints no such fact in machine-readable form, so the sentences of its Amazon builders are
read (builder/amazon/common in 1.6.6, packer-plugin-amazon builder/common since).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pipeline.adapters.packer.masked_names import MASK
from pipeline.core.bake.model import SPOT_TEMPLATES, BuildResources

_REGION = rb"[a-z]{2,4}(?:-[a-z]+)+-\d+"
_TRACES = {
    "key_pairs": re.compile(rb"Creating temporary keypair: (\S+)"),
    "security_groups": re.compile(rb"Creating temporary security group[^:]*: (packer_[0-9a-f-]+)"),
    "profiles": re.compile(rb"Creating temporary instance profile[^:]*: (packer-[0-9a-f-]+)"),
    "launch_templates": re.compile(
        rb"Creat(?:ing Spot Fleet launch template|ed Spot Fleet launch template: (lt-[0-9a-f]+))"
    ),
    "names": re.compile(rb"Prevalidating AMI Name: (.+)", re.DOTALL),
    "sources": re.compile(rb"Found Image ID: (ami-[0-9a-f]+)"),
    "instances": re.compile(rb"Instance ID: (i-[0-9a-f]+)"),
}
_BEFORE_LAUNCH = tuple(kind for kind in _TRACES if kind != "instances")
_MAKING = re.compile(rb"(?:Creating|Registering) (?:\w+ )*AMI\b(?: (?P<name>.+) from instance i-)?")
_IMAGE = re.compile(rb"AMI: (ami-[0-9a-f]+)")
_OF_IMAGE = re.compile(
    rb"[A-Z][\w/ ]+ AMI \((ami-[0-9a-f]+)\)(?: in region \"(" + _REGION + rb')")?'
)
"""What later steps do to the AMI and to its copies, for example `Adding tags to AMI (ami-...)`."""
_SNAPSHOT = re.compile(rb"Creating snapshot of EBS Volume (vol-[0-9a-f]+)")
_COPYING = re.compile(rb"Copying to: (" + _REGION + rb")")
_TRACE_WORDS = (
    b": Prevalidating AMI Name: ",
    b": Creating ",
    b": Created ",
    b": Registering ",
    b": Instance ID: ",
    b": Found Image ID: ",
    b": Copying to: ",
    b" AMI (ami-",
)


def may_name_resources(data: bytes) -> bool:
    """Return False if no line of these bytes can name a resource, which is quick to find out."""
    return any(word in data for word in _TRACE_WORDS)


@dataclass(kw_only=True, slots=True)
class ResourceTraces:
    """The resources that each build named so far; `read` takes the lines of builds in order.

    `announced` has the builds that began to make an AMI: their names of it count from then on.
    """

    named: dict[str, dict[bytes, str]] = field(default_factory=dict)
    announced: dict[bytes, str] = field(default_factory=dict)
    images: dict[bytes, dict[str, None]] = field(default_factory=dict)
    regions: dict[str, None] = field(default_factory=dict)
    volumes: dict[str, None] = field(default_factory=dict)
    _launched: set[bytes] = field(default_factory=set)
    _awaiting: set[bytes] = field(default_factory=set)

    @property
    def awaits_image(self) -> bool:
        """True if a build has announced an AMI whose id follows."""
        return bool(self._awaiting)

    @property
    def resources(self) -> BuildResources:
        """The resources of all builds."""
        named = {kind: self._all(kind) for kind in _TRACES if kind not in {"sources", "names"}}
        images = (image for of_build in self.images.values() for image in of_build)
        return BuildResources(
            **named,
            images=tuple(images),
            names=self._names(),
            regions=tuple(self.regions),
            volumes=tuple(self.volumes),
        )

    @property
    def source_ami(self) -> str:
        """The source image; empty unless all builds use the same one."""
        sources = set(self._all("sources"))
        return sources.pop() if len(sources) == 1 else ""

    def read(self, kind: bytes, build: bytes, words: bytes) -> None:
        """Record the resources that Packer names; a provisioner can print the same text.

        The temporary resources, the source and the AMI's name come before the instance's id, and so
        before any provisioner. The AMI's id follows the announcement of its creation, whatever
        stands between. Up to 1.12 a provisioner cannot `say`; later the last such pair is Packer's,
        because the provisioners have ended.
        """
        if kind == b"say" and (making := _MAKING.match(words)):
            self.announced[build] = (making["name"] or b"").decode("utf-8", "replace")
            self._awaiting.add(build)
        elif build in self.announced:
            self._read_later_step(build, words)
        elif build not in self._launched:
            for what in _BEFORE_LAUNCH:
                self._record(what, build, words)
            if self._record("instances", build, words):
                self._launched.add(build)
        elif kind == b"say" and (snapshot := _SNAPSHOT.match(words)):
            self.volumes[snapshot[1].decode()] = None

    def _read_later_step(self, build: bytes, words: bytes) -> None:
        if build in self._awaiting and (found := _IMAGE.match(words)):
            self._awaiting.discard(build)
            self.images[build] = {found[1].decode(): None}
        elif found := _OF_IMAGE.match(words):
            self.images.setdefault(build, {})[found[1].decode()] = None
            if found[2]:
                self.regions[found[2].decode()] = None
        elif copying := _COPYING.match(words):
            self.regions[copying[1].decode()] = None

    def _record(self, what: str, build: bytes, words: bytes) -> bool:
        found = _TRACES[what].match(words)
        if found:
            name = found[1] or SPOT_TEMPLATES.encode()
            self.named.setdefault(what, {})[build] = name.decode("utf-8", "replace")
        return found is not None

    def _all(self, kind: str) -> tuple[str, ...]:
        return tuple(self.named.get(kind, {}).values())

    def _names(self) -> tuple[str, ...]:
        """Return the names of the AMIs that the builds began to make; a masked one is no name."""
        wanted = self.named.get("names", {})
        names = (
            name for build in self.announced for name in (wanted.get(build), self.announced[build])
        )
        return tuple(dict.fromkeys(name for name in names if name and MASK not in name))
