"""The first half: two images of the sample application, by real Packer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tools.demo.shell import pipeline, say

if TYPE_CHECKING:
    from pathlib import Path


def story(folder: Path, env: dict[str, str]) -> tuple[str, str]:
    """Bake twice; return both images' ids."""
    say("the first image: real Packer, over real SSH")
    first = bake(folder, env, "1.0.0")
    say("the same again: nothing changed, so nothing is built")
    pipeline(folder, env, "bake", "--version", "1.0.0")
    say("a file of the application changes, and the second image holds it")
    change_the_application(folder)
    second = bake(folder, env, "1.1.0")
    say("what was baked, and where it is used")
    pipeline(folder, env, "images")
    return first, second


def bake(folder: Path, env: dict[str, str], version: str) -> str:
    """Bake a version; return its image's id."""
    document = pipeline(folder, env, "--output", "json", "bake", "--version", version, quiet=True)
    image = str(json.loads(document)["ami_id"])
    print(image, flush=True)
    return image


def change_the_application(folder: Path) -> None:
    """Change a file of the application, as a developer does between two releases."""
    unit = folder / "packer/provision/app/app.service"
    text = unit.read_text()
    greeting = 'Environment="GREETING=hello from the second image"'
    unit.write_text(text.replace("[Service]\n", f"[Service]\n{greeting}\n"))
