"""Define the keys of pipeline.toml: their types, defaults, rules and descriptions.

The editor's schema, the reference page and the hint for an unknown key come from
these classes. `pipeline.config.load` builds `Settings` and also checks keys against
each other, so a `Settings` is always valid.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    WithJsonSchema,
)

from pipeline.config.basis import LIST, Duration, Table
from pipeline.config.promotion import EnvironmentPromoteSettings, PromoteSettings
from pipeline.core.errors import ConfigurationError
from pipeline.core.state.release import Size
from pipeline.core.validation import deployment_values, terraform_values, values

HIDDEN: Final = "<sensitive>"


def _check_tfvars(value: str) -> str:
    if not value.endswith(".tfvars.json"):
        # Encoded JSON keeps hostile text inside its strings; HCL text may not.
        raise ValueError(f"{values.shown(value)} must end in .tfvars.json, which Terraform reads")
    return values.check_path(value)


def _check_dotenv(value: str) -> str:
    if not value.endswith(".env"):
        # A bake overwrites the file: the suffix protects other files from a mistyped path.
        raise ValueError(f"{values.shown(value)} must end in .env, such as bake.env")
    return values.check_path(value)


def _absent_if_empty(value: object) -> object:
    return None if value == "" else value


_App = Annotated[str, AfterValidator(values.check_app)]
_Environment = Annotated[str, AfterValidator(values.check_environment)]
_Region = Annotated[str, AfterValidator(values.check_region)]
_Path = Annotated[str, AfterValidator(values.check_path)]
_BuildName = Annotated[str, AfterValidator(values.check_build_name)]
_VariableName = Annotated[str, AfterValidator(values.check_variable_name)]
_InputName = Annotated[str, AfterValidator(terraform_values.check_input_name)]
_EnvVariable = Annotated[str, AfterValidator(values.check_env_variable)]
_TagKey = Annotated[str, AfterValidator(values.check_tag_key)]
_TagValue = Annotated[str, AfterValidator(values.check_tag_value)]
_ANY_VALUE: Final = WithJsonSchema(
    {"type": ["string", "integer", "number", "boolean", "array", "object"]}
)
_Value = Annotated[
    object,
    AfterValidator(values.check_variable),
    _ANY_VALUE,
]
_Input = Annotated[object, AfterValidator(terraform_values.check_input), _ANY_VALUE]
_KmsKey = Annotated[str, AfterValidator(terraform_values.check_kms_key)]
_LoadBalancer = Annotated[str, AfterValidator(deployment_values.check_load_balancer)]
_TargetGroup = Annotated[str, AfterValidator(deployment_values.check_target_group)]
_Inputs = Mapping[_InputName, _Input]
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


class BackendSettings(Table):
    """The S3 bucket of Terraform's state, which is always locked and encrypted."""

    bucket: Annotated[str, AfterValidator(terraform_values.check_bucket)] = Field(
        description="The S3 bucket of Terraform's state.", examples=["example-terraform-state"]
    )
    key_prefix: Annotated[
        Annotated[str, AfterValidator(values.check_path)] | None, BeforeValidator(_absent_if_empty)
    ] = Field(default=None, description="The prefix of the keys of the states.")
    region: _Region | None = Field(
        default=None, description="The region of the bucket; default: the region at the top."
    )
    kms_key_id: _KmsKey | None = Field(
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
    module: _Path | None = Field(
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
    backend: BackendSettings | None = Field(
        default=None,
        description="Keep Terraform's state in S3; default: a file in the state directory.",
    )

    def with_overrides(self, over: EnvironmentTerraformSettings) -> "TerraformSettings":
        """Return these settings with those of an environment, which replace whole inputs."""
        inputs = {**self.inputs, **over.inputs}
        return self.model_copy(update={"inputs": inputs, "program": over.program or self.program})


class EnvironmentSettings(Table):
    """One environment: its size, its load balancers and its overrides."""

    account: Annotated[str, AfterValidator(terraform_values.check_account_id)] | None = Field(
        default=None, description="The AWS account; credentials of another account are refused."
    )
    instance_type: Annotated[str, AfterValidator(terraform_values.check_instance_type)] = Field(
        default="t3.micro", description="The instance type of each release."
    )
    min_size: int = Field(
        default=1, ge=0, le=1000, description="The fewest instances of a first release."
    )
    max_size: int | None = Field(
        default=None, ge=1, le=1000, description="The most instances; default: desired_capacity."
    )
    desired_capacity: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="The instances of a first release; default: min_size, at least 1.",
    )
    load_balancers: Annotated[tuple[_LoadBalancer, ...], LIST] = Field(
        default=(), description="Classic load balancers of the environment, by name."
    )
    target_groups: Annotated[tuple[_TargetGroup, ...], LIST] = Field(
        default=(), description="Target groups of ALBs and NLBs, each by name or ARN."
    )
    bake: EnvironmentBakeSettings = Field(
        default=EnvironmentBakeSettings(), description="Overrides of [bake]."
    )
    promote: EnvironmentPromoteSettings = Field(
        default=EnvironmentPromoteSettings(), description="Overrides of [promote]."
    )
    terraform: EnvironmentTerraformSettings = Field(
        default=EnvironmentTerraformSettings(), description="Overrides of [terraform]."
    )

    @property
    def size(self) -> Size:
        """Return the size of a first release, with defaults for unset values."""
        desired = self.desired_capacity or max(self.min_size, 1)
        return Size(
            instance_type=self.instance_type,
            minimum=self.min_size,
            maximum=self.max_size or desired,
            desired=desired,
        )


class BakeSettings(Table):
    """How an image is baked; durations are in seconds."""

    template: _Path = Field(
        description="The Packer template: a file (.pkr.hcl, .json) or a directory.",
        examples=["packer/app.pkr.hcl"],
    )
    directory: _Path = Field(default=".", description="The folder in which Packer runs.")
    inputs: Annotated[tuple[_Path, ...], LIST] = Field(
        default=(), description="Further files and directories that affect the image."
    )
    only: Annotated[tuple[_BuildName, ...], LIST] = Field(
        default=(), description="Builds of the template to run; default: all."
    )
    vars: _Vars = Field(default={}, repr=False, description="Packer variables.")
    vars_from_env: _VarsFromEnv = Field(
        default={}, description="Secret Packer variables, each from an environment variable."
    )
    var_files: Annotated[tuple[_Path, ...], LIST] = Field(
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
    regions: Annotated[tuple[_Region, ...], LIST] = Field(
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
        Annotated[str, AfterValidator(_check_dotenv)] | None, BeforeValidator(_absent_if_empty)
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


class StateSettings(Table):
    """The store of environment documents, image records and journals."""

    url: Annotated[str, AfterValidator(values.check_state_url)] = Field(
        default=".ami-pipeline", description="A directory or s3://bucket/prefix."
    )
    account: Annotated[str, AfterValidator(terraform_values.check_account_id)] | None = Field(
        default=None, description="The owner of the bucket; default: the environment's account."
    )
    kms_key_id: _KmsKey | None = Field(
        default=None,
        description="The KMS key that encrypts the store in S3; default: as the bucket says.",
    )


class Settings(Table):
    """The settings of pipeline.toml, with the path of the file."""

    app: _App = Field(description="The name of the application.", examples=["web"])
    region: _Region = Field(
        description="The AWS region in which the image is baked and runs.",
        examples=["eu-central-1"],
    )
    bake: BakeSettings = Field(description="How an image is baked.")
    environments: Mapping[_Environment, EnvironmentSettings] = Field(
        default={}, description="The environments, by name."
    )
    promote: PromoteSettings = Field(
        default=PromoteSettings(), description="How a deployment puts an image into service."
    )
    terraform: TerraformSettings = Field(
        default=TerraformSettings(), description="The Terraform module that creates the releases."
    )
    state: StateSettings = Field(default=StateSettings(), description="Where the state is kept.")

    _file: Path = PrivateAttr(default=Path("pipeline.toml"))

    def model_post_init(self, context: Any, /) -> None:
        """Take the path of the file from the context, because it is not a key."""
        if context:
            self._file = context["file"]

    @property
    def file(self) -> Path:
        """Return the file that these settings were read from."""
        return self._file

    @property
    def root(self) -> Path:
        """Return the folder of pipeline.toml; the paths in the file are relative to it."""
        return self._file.parent

    def bake_for(self, environment: str | None) -> BakeSettings:
        """Return the bake settings of one environment, or of none."""
        if environment is None:
            return self.bake
        return self.bake.with_overrides(self.environment(environment).bake)

    def terraform_for(self, environment: str) -> TerraformSettings:
        """Return the Terraform settings of one environment."""
        return self.terraform.with_overrides(self.environment(environment).terraform)

    def promote_for(self, environment: str) -> PromoteSettings:
        """Return the promotion settings of one environment."""
        return self.promote.with_overrides(self.environment(environment).promote)

    def environment(self, name: str) -> EnvironmentSettings:
        """Return one environment; raise ConfigurationError if there is none of that name."""
        if name not in self.environments:
            raise self._unknown(name)
        return self.environments[name]

    def _unknown(self, environment: str) -> ConfigurationError:
        name = values.shown(environment).strip("'\"")
        near = difflib.get_close_matches(environment[:64], list(self.environments), n=1)
        remedy = f"write {near[0]}" if near else f"add [environments.{name}] to {self._file}"
        return ConfigurationError(
            where=f"environment {name}", what=f"is not in {self._file}", remedy=remedy
        )

    def public(self) -> dict[str, object]:
        """Return the resolved settings for people to read, without secret values."""
        document = self.model_dump(mode="json")
        tables = [document["bake"], *(each["bake"] for each in document["environments"].values())]
        for table in tables:
            for name in self.bake.sensitive:
                if name in table["vars"]:
                    table["vars"][name] = HIDDEN
        return document


def schema() -> dict[str, object]:
    """Return the JSON Schema of pipeline.toml, for editors."""
    made = Settings.model_json_schema()
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "pipeline.toml"
    return made


def tables(model: type[BaseModel] = Settings, prefix: str = "") -> dict[str, tuple[str, ...]]:
    """Return the keys of every table of the file: `environments.NAME.bake` -> (vars, ...)."""
    found = {prefix: tuple(model.model_fields)}
    for name, field in model.model_fields.items():
        inner = _inner_model(field.annotation)
        if inner is not None:
            place = f"{prefix}.{name}".lstrip(".")
            is_named = inner is EnvironmentSettings
            found |= tables(inner, f"{place}.NAME" if is_named else place)
    return found


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if (inner := _inner_model(part)) is not None:
            return inner
    return None


def keys() -> tuple[str, ...]:
    """Return every key of the file by its full name, tables included."""
    return tuple(
        f"{table}.{name}".lstrip(".") for table, names in tables().items() for name in names
    )
