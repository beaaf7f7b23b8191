"""A minimal project for the commands, without AWS and without tools."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packer").mkdir()
    (tmp_path / "packer/app.pkr.hcl").touch()
    (tmp_path / "pipeline.toml").write_text(
        'app = "web"\nregion = "eu-central-1"\n[bake]\ntemplate = "packer/app.pkr.hcl"\n'
        '[environments.staging]\nload_balancers = ["web"]\n[environments.bare]\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.adapters.process.signals.Interrupts.install", lambda _: None)
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
