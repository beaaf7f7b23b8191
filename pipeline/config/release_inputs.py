"""Put the recorded inputs of a release in place of the configuration's."""

from __future__ import annotations

from pipeline.config.model import Settings
from pipeline.config.terraform import EnvironmentTerraformSettings
from pipeline.core.changes.inputs import INSTANCE_TYPE, Inputs, module_inputs


def with_inputs(settings: Settings, environment: str, inputs: Inputs) -> Settings:
    """Return the settings with a release's recorded inputs for an environment.

    The sizes and the module stay as they are configured.
    """
    own = EnvironmentTerraformSettings.model_construct(inputs=module_inputs(inputs))
    here = settings.environment(environment).model_copy(
        update={"instance_type": inputs[INSTANCE_TYPE], "terraform": own}
    )
    shared = settings.terraform.model_copy(update={"inputs": {}})
    environments = {**settings.environments, environment: here}
    return settings.model_copy(update={"environments": environments, "terraform": shared})
