"""Define the keys of [bake]."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from pipeline.config.basis import ANY_VALUE, LIST, Duration, Path, Region, Table, absent_if_empty
from pipeline.core.validation import values
from pipeline.core.validation.text import shown


def _check_tfvars(value: str) -> str:
    if not value.endswith(".tfvars.json"):
        # Encoded JSON keeps hostile text inside its strings; HCL text may not.
        raise ValueError(f"{shown(value)} must end in .tfvars.json, which Terraform reads")
    return values.check_path(value)


def _check_dotenv(value: str) -> str:
    if not value.endswith(".env"):
        # A bake overwrites the file: the suffix protects other files from a mistyped path.
        raise ValueError(f"{shown(value)} must end in .env, such as bake.env")
    return values.check_path(value)


_BuildName = Annotated[str, AfterValidator(values.check_build_name)]
_VariableName = Annotated[str, AfterValidator(values.check_variable_name)]
_EnvVariable = Annotated[str, AfterValidator(values.check_env_variable)]
_TagKey = Annotated[str, AfterValidator(values.check_tag_key)]
_TagValue = Annotated[str, AfterValidator(values.check_tag_value)]
_Value = Annotated[object, AfterValidator(values.check_variable), ANY_VALUE]
_Vars = Mapping[_VariableName, _Value]
_VarsFromEnv = Mapping[_VariableName, _EnvVariable]
_Tags = Mapping[_TagKey, _TagValue]


class SourceSettings(Table):
    """The source image: one id, or an owner's newest image whose name matches."""

    id: Annotated[str, AfterValidator(values.check_image_id)] | None = Field(
        default=None, description="The id of the source image."
    )
    owner: Annotated[str, AfterValidator(values.check_account)] | None = Field(
        default=None,
        description="The owner of the source image: a 12-digit account id or an alias.",
    )
    name: Annotated[str, AfterValidator(values.check_image_filter)] | None = Field(
        default=None,
        description="A filter on image names, with * and ?; the newest match is the source.",
    )


class EnvironmentBakeSettings(Table):
    """The settings of one environment that override [bake]."""

    vars: _Vars = Field(default={}, repr=False, description="Packer variables of this environment.")
    vars_from_env: _VarsFromEnv = Field(
        default={}, description="Secret Packer variables of this environment."
    )
    tags: _Tags = Field(default={}, description="Tags of this environment's images.")


class BakeSettings(Table):
    """How an image is baked; durations are in seconds."""

    template: Path = Field(
        description="The Packer template: a file (.pkr.hcl, .json) or a directory.",
        examples=["packer/app.pkr.hcl"],
    )
    directory: Path = Field(default=".", description="The folder in which Packer runs.")
    inputs: Annotated[tuple[Path, ...], LIST] = Field(
        default=(), description="Further files and directories that affect the image."
    )
    only: Annotated[tuple[_BuildName, ...], LIST] = Field(
        default=(), description="Builds of the template to run; default: all."
    )
    vars: _Vars = Field(default={}, repr=False, description="Packer variables.")
    vars_from_env: _VarsFromEnv = Field(
        default={}, description="Secret Packer variables, each from an environment variable."
    )
    var_files: Annotated[tuple[Path, ...], LIST] = Field(
        default=(), description="Files with Packer variables (.pkrvars.hcl, .json)."
    )
    pass_variables: (
        Annotated[tuple[Annotated[str, AfterValidator(values.check_tool_variable)], ...], LIST]
        | None
    ) = Field(
        default=None,
        description="Variables of the pipeline that the template gets; default: all that match.",
    )
    sensitive: Annotated[tuple[_VariableName, ...], LIST] = Field(
        default=(), description="Names of variables in vars whose values are masked."
    )
    regions: Annotated[tuple[Region, ...], LIST] = Field(
        default=(), description="Regions to copy the image to."
    )
    timeout: Duration = Field(
        default=2700.0,
        json_schema_extra={"default": "45m"},
        description="The time limit of a bake.",
    )
    cancel_grace: Duration = Field(
        default=120.0,
        json_schema_extra={"default": "2m"},
        description="The time limit of Packer's clean-up after an interrupt.",
    )
    keep: int = Field(default=5, ge=1, le=1000, description="How many good images to keep.")
    tfvars: Annotated[str, AfterValidator(_check_tfvars)] = Field(
        default="ami.auto.tfvars.json", description="The file with the result, for Terraform."
    )
    dotenv: Annotated[
        Annotated[str, AfterValidator(_check_dotenv)] | None, BeforeValidator(absent_if_empty)
    ] = Field(default=None, description="The file with the result, for GitLab; default: none.")
    tags: _Tags = Field(default={}, description="Tags of the images and their snapshots.")
    source: SourceSettings | None = Field(default=None, description="The source image.")

    def with_overrides(self, over: EnvironmentBakeSettings) -> "BakeSettings":
        """Return these settings with the overrides of an environment."""
        return self.model_copy(
            update={
                "vars": {**self.vars, **over.vars},
                "vars_from_env": {**self.vars_from_env, **over.vars_from_env},
                "tags": {**self.tags, **over.tags},
            }
        )
