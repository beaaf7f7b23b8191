from __future__ import annotations

from pathlib import Path

import pytest

from tests.packer_plugins import plugin_path


@pytest.mark.parametrize(
    ("variable", "folder"),
    [
        ("HOME", ".config/packer/plugins"),
        ("HOME", ".packer.d/plugins"),
        ("PACKER_CONFIG_DIR", ".config/packer/plugins"),
        ("PACKER_CONFIG_DIR", "plugins"),
    ],
)
def test_the_plugins_of_the_users_own_folder_are_found(
    tmp_path: Path, variable: str, folder: str
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    assert plugin_path({variable: str(tmp_path)}) == str(tmp_path / folder)


def test_a_set_path_of_plugins_wins_and_becomes_absolute(tmp_path: Path) -> None:
    (tmp_path / ".config/packer/plugins").mkdir(parents=True)
    environ = {"HOME": str(tmp_path), "PACKER_PLUGIN_PATH": "mine:/other"}
    assert plugin_path(environ) == f"{Path.cwd() / 'mine'}:/other"


def test_without_plugins_the_variable_is_not_set(tmp_path: Path) -> None:
    assert plugin_path({"HOME": str(tmp_path)}) == ""
