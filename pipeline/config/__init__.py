"""Read and check pipeline.toml, and return it as frozen settings.

The only package that imports pydantic. `model` defines the keys, `promotion` those of
[promote], both with the types of `basis`. `relations` checks keys against each other,
`problems` turns each problem into a line with a remedy, `file` reads the file, and
`lines` finds the line of each key.
"""

from pipeline.config.file import find, load
from pipeline.config.model import (
    BakeSettings,
    EnvironmentSettings,
    Settings,
    SourceSettings,
    StateSettings,
    TerraformSettings,
    keys,
    schema,
)
from pipeline.config.promotion import PromoteSettings

__all__ = [
    "BakeSettings",
    "EnvironmentSettings",
    "PromoteSettings",
    "Settings",
    "SourceSettings",
    "StateSettings",
    "TerraformSettings",
    "find",
    "keys",
    "load",
    "schema",
]
