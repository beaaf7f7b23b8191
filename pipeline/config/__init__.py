"""pipeline.toml: found, read, checked as a whole, and given to everybody else frozen.

The only home of pydantic. `model` says what may be in the file and `promotion` what
in its [promote], both built on `basis`; `relations` says what its keys owe each other,
`problems` turns every refusal into a line and a remedy, `file` reads it, `lines` knows
where each key stands.
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
