"""The CI files of the documentation, and what reads them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

yaml: Any = importlib.import_module("yaml")  # it comes with moto; there are no stubs

CI = Path(__file__).resolve().parents[2] / "docs/ci"
