"""Read which architectures the instance type of an environment runs."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from pipeline.adapters.aws.client import translate_errors
from pipeline.adapters.aws.preflight.queries import read_type
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.deploy.selection.versions import architectures
from pipeline.core.image import Image


def supported_architectures(reader: EnvironmentReader, images: Iterable[Image]) -> AbstractSet[str]:
    """Return the architectures of the environment's instance type.

    AWS is asked only if the images have several. An unknown type, which preflight refuses, supports
    those of the images. Raises RefusedError if AWS does not answer.
    """
    found = architectures(images)
    if len(found) < 2:  # noqa: PLR2004 - there is no choice
        return found
    settings = reader.app.settings
    name = settings.environment(reader.environment).instance_type
    with translate_errors(f"instance type {name}", settings.region):
        described = read_type(reader.clients.ec2(settings.region), name)
    return described.architectures if described else found
