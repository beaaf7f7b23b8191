"""Read a running group and turn it into the configuration of an environment."""

from __future__ import annotations

from pipeline.adapters.aws.client import Clients
from pipeline.adapters.aws.running_group import read_running_group
from pipeline.app.application import Application
from pipeline.core.adoption.configuration import adoption
from pipeline.core.adoption.model import Adoption


def read_adoption(app: Application, group: str) -> Adoption:
    """Return the configuration of a group in the region of pipeline.toml; changes nothing.

    Raises RefusedError if there is no such group, or without the permission to read it.
    """
    clients = Clients(app.settings.region)
    return adoption(read_running_group(clients, app.settings.region, group))
