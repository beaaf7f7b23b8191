"""Make botocore's session of this run, which reads no more of botocore's data than it needs.

boto3 adds resources and file transfers, which this program does not use, for a quarter of the time
that its import takes. This module imports botocore, so its users import it when they need it.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader
from botocore.session import Session, get_session


class ModelFiles(JSONFileLoader):
    """Reads models as plain dicts; botocore's OrderedDict takes twice the time and memory."""

    def load_file(self, file_path: str) -> Any:
        """Return the content of the file with this path and a known suffix; None without one."""
        plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
        if plain.is_file():
            return json.loads(plain.read_bytes())
        return json.loads(gzip.decompress(packed.read_bytes())) if packed.is_file() else None


class Models(Loader):
    """Finds the models of services by the names of their folders.

    botocore reads each of its 400 folders to tell whether a service is among them.
    """

    FILE_LOADER_CLASS = ModelFiles

    def list_available_services(self, type_name: str) -> list[str]:
        """Return the names of all services, whether or not they have this type of model."""
        del type_name
        folders = (path for each in self.search_paths if (path := Path(each)).is_dir())
        return sorted({each.name for folder in folders for each in folder.iterdir()})


def models_in(data_path: str) -> Models:
    """Return what loads models from the folders of AWS_DATA_PATH and from botocore's own."""
    named = (each for each in data_path.split(os.pathsep) if each)
    return Models(
        extra_search_paths=[str(Path(os.path.expandvars(each)).expanduser()) for each in named]
    )


def new_session(region: str = "") -> Session:
    """Return a session; without a region in the profile or the environment it has this one."""
    session = get_session()
    models = models_in(session.get_config_variable("data_path") or "")
    session.register_component("data_loader", models)
    if region and not session.get_config_variable("region"):
        session.set_config_variable("region", region)
    return session
