from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.app.environment import architectures
from pipeline.core.preflight.facts import TypeFacts
from tests.fakes import an_image

ARM, INTEL = (an_image(architecture=name) for name in ("arm64", "x86_64"))


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A reader of an environment whose instance types are known; `asked` has each question."""
    asked: list[str] = []

    def read_type(_ec2: object, name: str) -> TypeFacts | None:
        asked.append(name)
        known = TypeFacts(name=name, architectures=frozenset({"arm64"}), vcpus=2)
        return known if name == "t4g.micro" else None

    monkeypatch.setattr(architectures, "read_type", read_type)
    here = SimpleNamespace(instance_type="t4g.micro")
    settings = SimpleNamespace(region="eu-central-1", environment=lambda _name: here)
    clients = SimpleNamespace(ec2=lambda _region: None)
    app = SimpleNamespace(settings=settings)
    return SimpleNamespace(app=app, clients=clients, environment="x", asked=asked, here=here)


def test_aws_is_asked_about_the_instance_type_only_if_the_images_differ(reader: Any) -> None:
    assert architectures.supported_architectures(reader, [INTEL, an_image()]) == {"x86_64"}
    assert reader.asked == []
    assert architectures.supported_architectures(reader, [INTEL, ARM]) == {"arm64"}
    assert reader.asked == ["t4g.micro"]


def test_an_unknown_instance_type_supports_every_image(reader: Any) -> None:
    reader.here.instance_type = "t9.micro"
    found = architectures.supported_architectures(reader, [INTEL, ARM])
    assert found == {"arm64", "x86_64"}
