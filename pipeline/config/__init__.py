"""Read and check pipeline.toml, and return it as frozen settings.

The only package that imports pydantic. `model` defines the keys; `bake`, `promotion` and
`terraform` those of their tables; all with the types of `basis`. `relations` checks keys against
each other, `problems` turns each problem into a line with a remedy, `file` loads the file, and
`lines` finds the line of each key. `layers` merges it with the file that it extends, `paths` finds
the paths in both, and `effective` says where each value comes from.
"""

from pipeline.config.bake import BakeSettings, SourceSettings
from pipeline.config.effective import effective
from pipeline.config.file import document, extended, find, load
from pipeline.config.model import EnvironmentSettings, Settings, StateSettings, keys, schema
from pipeline.config.pair_text import with_pairs
from pipeline.config.promote.promotion import PromoteSettings
from pipeline.config.terraform import TerraformSettings

__all__ = [
    "BakeSettings",
    "EnvironmentSettings",
    "PromoteSettings",
    "Settings",
    "SourceSettings",
    "StateSettings",
    "TerraformSettings",
    "document",
    "effective",
    "extended",
    "find",
    "keys",
    "load",
    "schema",
    "with_pairs",
]
