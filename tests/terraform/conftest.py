"""Fixtures for tests of the Terraform modules: one cloud, and one AWS provider for all commands."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests import provider, running_cloud
from tests.terraform.modules import LEFT_OUT, REPOSITORY, Terraform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running_cloud import Cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud.a_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="session")
def terraform(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    folder = tmp_path_factory.mktemp("terraform")
    shutil.copytree(REPOSITORY / "terraform", folder, ignore=LEFT_OUT, dirs_exist_ok=True)
    first = Terraform(folder=folder, env=cloud.env)
    first.run("image", "init", "-backend=false", "-input=false")
    with provider.started(folder / "image", cloud.env) as attached:
        yield Terraform(folder=folder, env=attached)
