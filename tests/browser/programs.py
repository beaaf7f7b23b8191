"""Install what checks pages: playwright and axe-core, into .build; Chromium is Debian's."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".build/browser"
AXE = "axe-core@4.14.1"
LOCK = ROOT / "requirements-browser.lock"


def playwright() -> Any:
    """Return the module playwright.sync_api; install it in the locked version if it is missing."""
    site = FOLDER / "site"
    stamp = site / "installed"
    if not stamp.exists() or stamp.read_text() != LOCK.read_text():
        sys.stdout.write(f"installing playwright of {LOCK.name}\n")
        words = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        install = [sys.executable, "-m", "pip", "install", *words, "--upgrade"]
        subprocess.run([*install, "--target", str(site), "-r", str(LOCK)], check=True)
        stamp.write_text(LOCK.read_text())
    sys.path.append(str(site))
    return importlib.import_module("playwright.sync_api")


def axe() -> str:
    """Return the source of axe-core; install it with npm if it is missing."""
    source = FOLDER / "node_modules/axe-core/axe.min.js"
    if not source.exists():
        sys.stdout.write(f"installing {AXE}\n")
        FOLDER.mkdir(parents=True, exist_ok=True)
        quiet = ("--no-audit", "--no-fund", "--loglevel=error")
        npm = shutil.which("npm") or "npm"
        subprocess.run([npm, "install", "--prefix", str(FOLDER), *quiet, AXE], check=True)
    return source.read_text()


def chromium() -> str:
    """Return the path of Chromium; raises FileNotFoundError."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise FileNotFoundError("chromium")
    return found
