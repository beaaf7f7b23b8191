"""Define the keys of [terraform]."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from pipeline.config.basis import ANY_VALUE, KmsKey, Path, Region, Table, absent_if_empty
from pipeline.core.validation import terraform_values, values

_InputName = Annotated[str, AfterValidator(terraform_values.check_input_name)]
_Input = Annotated[object, AfterValidator(terraform_values.check_input), ANY_VALUE]
_Inputs = Mapping[_InputName, _Input]


class BackendSettings(Table):
    """The S3 bucket of Terraform's state, which is always locked and encrypted."""

    bucket: Annotated[str, AfterValidator(terraform_values.check_bucket)] = Field(
        description="The S3 bucket of Terraform's state.", examples=["example-terraform-state"]
    )
    key_prefix: Annotated[
        Annotated[str, AfterValidator(values.check_path)] | None, BeforeValidator(absent_if_empty)
    ] = Field(default=None, description="The prefix of the keys of the states.")
    region: Region | None = Field(
        default=None, description="The region of the bucket; default: the region at the top."
    )
    kms_key_id: KmsKey | None = Field(
        default=None,
        description="The KMS key that encrypts the states; default: a key of S3 (AES256).",
    )


_Program = Annotated[str, AfterValidator(terraform_values.check_program)]


class EnvironmentTerraformSettings(Table):
    """The settings of one environment that override [terraform]."""

    program: _Program | None = Field(
        default=None, description="The program for this environment: terraform, tofu, or a path."
    )
    inputs: _Inputs = Field(default={}, description="Inputs of the module for this environment.")


class TerraformSettings(Table):
    """The Terraform module that creates the releases, and its state."""

    program: _Program | None = Field(
        default=None,
        description="The program: terraform, tofu, or a path; default: the one that wrote the "
        "state, else terraform or tofu on PATH.",
        examples=["tofu"],
    )
    module: Path | None = Field(
        default=None,
        description="The folder of your own module; default: the module of this program.",
    )
    inputs: _Inputs = Field(default={}, description="Inputs of the module.")
    provider_version: Annotated[str, AfterValidator(terraform_values.check_version_constraint)] = (
        Field(
            default=">= 5.0, < 7.0",
            description="The allowed versions of the AWS provider, as Terraform's constraint.",
        )
    )
    share_provider: bool = Field(
        default=True,
        description="Start the AWS provider once for all plans and applies of a deployment.",
    )
    backend: BackendSettings | None = Field(
        default=None,
        description="Keep Terraform's state in S3; default: a file in the state directory.",
    )

    def with_overrides(self, over: EnvironmentTerraformSettings) -> "TerraformSettings":
        """Return these settings with those of an environment, which replace whole inputs."""
        inputs = {**self.inputs, **over.inputs}
        return self.model_copy(update={"inputs": inputs, "program": over.program or self.program})
