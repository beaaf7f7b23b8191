"""What may be in pipeline.toml: the keys, their types, defaults and rules.

The editor's schema, the reference page and the "did you mean" of an unknown
key all come from these classes. `Settings` is built by `pipeline.config.load`,
which also checks what the keys owe each other; whoever holds one need not check again.
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
from pipeline.core.validation import deployment_values, terraform_values
from pipeline.core.validation import values as rules

HIDDEN: Final = "<sensitive>"


def _check_tfvars(value: str) -> str:
    if not value.endswith(".tfvars.json"):
        # HCL text can be broken out of; JSON from an encoder cannot.
        raise ValueError(
            f"{rules.shown(value)} does not end in .tfvars.json, which Terraform reads"
        )
    return rules.check_path(value)


def _check_dotenv(value: str) -> str:
    if not value.endswith(".env"):
        # The file is written over: a suffix of its own keeps sources safe from a wrong key.
        raise ValueError(f"{rules.shown(value)} does not end in .env: write such as bake.env")
    return rules.check_path(value)


def _absent_if_empty(value: object) -> object:
    return None if value == "" else value


_App = Annotated[str, AfterValidator(rules.check_app)]
_Environment = Annotated[str, AfterValidator(rules.check_environment)]
_Region = Annotated[str, AfterValidator(rules.check_region)]
_Path = Annotated[str, AfterValidator(rules.check_path)]
_BuildName = Annotated[str, AfterValidator(rules.check_build_name)]
_VariableName = Annotated[str, AfterValidator(rules.check_variable_name)]
_InputName = Annotated[str, AfterValidator(terraform_values.check_input_name)]
_EnvVariable = Annotated[str, AfterValidator(rules.check_env_variable)]
_TagKey = Annotated[str, AfterValidator(rules.check_tag_key)]
_TagValue = Annotated[str, AfterValidator(rules.check_tag_value)]
_ANY_VALUE: Final = WithJsonSchema(
    {"type": ["string", "integer", "number", "boolean", "array", "object"]}
)
_Value = Annotated[
    object,
    AfterValidator(rules.check_variable),
    _ANY_VALUE,
]
_Input = Annotated[object, AfterValidator(terraform_values.check_input), _ANY_VALUE]
_LoadBalancer = Annotated[str, AfterValidator(deployment_values.check_load_balancer)]
_TargetGroup = Annotated[str, AfterValidator(deployment_values.check_target_group)]
_Inputs = Mapping[_InputName, _Input]
_Vars = Mapping[_VariableName, _Value]
_VarsFromEnv = Mapping[_VariableName, _EnvVariable]
_Tags = Mapping[_TagKey, _TagValue]


class SourceSettings(Table):
    """The image to begin from: one id, or the newest of an owner's images of a name."""

    id: Annotated[str, AfterValidator(rules.check_image_id)] | None = Field(
        default=None, description="One image, by its id."
    )
    owner: Annotated[str, AfterValidator(rules.check_account)] | None = Field(
        default=None, description="Whose images are looked at: a 12-digit account id or an alias."
    )
    name: Annotated[str, AfterValidator(rules.check_image_filter)] | None = Field(
        default=None, description="A filter on names, with * and ?; the newest match is taken."
    )


class EnvironmentBakeSettings(Table):
    """What one environment changes about a bake; its words win over those of [bake]."""

    vars: _Vars = Field(default={}, repr=False, description="Packer variables of this environment.")
    vars_from_env: _VarsFromEnv = Field(
        default={}, description="Secret Packer variables of this environment."
    )
    tags: _Tags = Field(default={}, description="Tags of this environment's images.")


class BackendSettings(Table):
    """The bucket Terraform keeps its state in, always locked and encrypted."""

    bucket: Annotated[str, AfterValidator(terraform_values.check_bucket)] = Field(
        description="The S3 bucket of the state.", examples=["example-terraform-state"]
    )
    key_prefix: Annotated[
        Annotated[str, AfterValidator(rules.check_path)] | None, BeforeValidator(_absent_if_empty)
    ] = Field(default=None, description="What the states' keys begin with.")
    region: _Region | None = Field(
        default=None, description="Where the bucket is; default: the region at the top."
    )


class EnvironmentTerraformSettings(Table):
    """What one environment passes to the module besides or instead."""

    inputs: _Inputs = Field(default={}, description="Inputs of the module for this environment.")


class TerraformSettings(Table):
    """How releases become resources: the module that makes them, and where its state is."""

    module: _Path | None = Field(
        default=None, description="The folder of your own module; default: the one that ships."
    )
    inputs: _Inputs = Field(default={}, description="Inputs of the module.")
    backend: BackendSettings | None = Field(
        default=None, description="The state in S3; without it, a file in the state directory."
    )

    def with_overrides(self, over: EnvironmentTerraformSettings) -> "TerraformSettings":
        """Lay the inputs of an environment over these, each as a whole."""
        return self.model_copy(update={"inputs": {**self.inputs, **over.inputs}})


class EnvironmentSettings(Table):
    """Where releases run, of what size, and what is different for it."""

    account: Annotated[str, AfterValidator(terraform_values.check_account_id)] | None = Field(
        default=None, description="The only AWS account Terraform may touch."
    )
    instance_type: Annotated[str, AfterValidator(terraform_values.check_instance_type)] = Field(
        default="t3.micro", description="What a release's instances are."
    )
    min_size: int = Field(default=1, ge=0, le=1000, description="The fewest instances.")
    max_size: int | None = Field(
        default=None, ge=1, le=1000, description="The most; default: as many as wanted."
    )
    desired_capacity: int | None = Field(
        default=None, ge=1, le=1000, description="How many a first release has; default: the least."
    )
    load_balancers: Annotated[tuple[_LoadBalancer, ...], LIST] = Field(
        default=(), description="Classic load balancers that send traffic to it, by name."
    )
    target_groups: Annotated[tuple[_TargetGroup, ...], LIST] = Field(
        default=(), description="Target groups of ALBs and NLBs, each by name or ARN."
    )
    bake: EnvironmentBakeSettings = Field(
        default=EnvironmentBakeSettings(), description="What is baked differently."
    )
    promote: EnvironmentPromoteSettings = Field(
        default=EnvironmentPromoteSettings(), description="What is deployed differently."
    )
    terraform: EnvironmentTerraformSettings = Field(
        default=EnvironmentTerraformSettings(), description="What the module gets differently."
    )

    @property
    def size(self) -> Size:
        """The size of a first release, with what is not said filled in."""
        desired = self.desired_capacity or max(self.min_size, 1)
        return Size(
            instance_type=self.instance_type,
            minimum=self.min_size,
            maximum=self.max_size or desired,
            desired=desired,
        )


class BakeSettings(Table):
    """How an image is made. Durations are seconds."""

    template: _Path = Field(
        description="The Packer template: a file (.pkr.hcl, .json) or a directory.",
        examples=["packer/app.pkr.hcl"],
    )
    directory: _Path = Field(default=".", description="Where Packer runs.")
    inputs: Annotated[tuple[_Path, ...], LIST] = Field(
        default=(), description="Further files and directories that decide what the image is."
    )
    only: Annotated[tuple[_BuildName, ...], LIST] = Field(
        default=(), description="Builds of the template to run; empty means all."
    )
    vars: _Vars = Field(default={}, repr=False, description="Packer variables.")
    vars_from_env: _VarsFromEnv = Field(
        default={}, description="Secret Packer variables, each from an environment variable."
    )
    sensitive: Annotated[tuple[_VariableName, ...], LIST] = Field(
        default=(), description="Names in vars whose values are masked."
    )
    regions: Annotated[tuple[_Region, ...], LIST] = Field(
        default=(), description="Regions to copy the image to."
    )
    timeout: Duration = Field(
        default=2700.0,
        json_schema_extra={"default": "45m"},
        description="The longest a bake may take.",
    )
    cancel_grace: Duration = Field(
        default=120.0,
        json_schema_extra={"default": "2m"},
        description="How long Packer may clean up after an interrupt.",
    )
    keep: int = Field(default=5, ge=1, le=1000, description="Good images to keep.")
    tfvars: Annotated[str, AfterValidator(_check_tfvars)] = Field(
        default="ami.auto.tfvars.json", description="Where the result is written for Terraform."
    )
    dotenv: Annotated[
        Annotated[str, AfterValidator(_check_dotenv)] | None, BeforeValidator(_absent_if_empty)
    ] = Field(default=None, description="Where the result is written for GitLab; empty means not.")
    tags: _Tags = Field(default={}, description="Tags of the images and their snapshots.")
    source: SourceSettings | None = Field(default=None, description="The image to begin from.")

    def with_overrides(self, over: EnvironmentBakeSettings) -> "BakeSettings":
        """Lay the words of an environment over these."""
        return self.model_copy(
            update={
                "vars": {**self.vars, **over.vars},
                "vars_from_env": {**self.vars_from_env, **over.vars_from_env},
                "tags": {**self.tags, **over.tags},
            }
        )


class StateSettings(Table):
    """Where environment documents, images and journals live."""

    url: Annotated[str, AfterValidator(rules.check_state_url)] = Field(
        default=".ami-pipeline", description="A directory, or s3://bucket/prefix."
    )
    account: Annotated[str, AfterValidator(terraform_values.check_account_id)] | None = Field(
        default=None, description="Whose the bucket is; default: the environment's account."
    )


class Settings(Table):
    """The whole of pipeline.toml, and the folder it stands in."""

    app: _App = Field(description="The application's name.", examples=["web"])
    region: _Region = Field(
        description="Where the image is built and runs.", examples=["eu-central-1"]
    )
    bake: BakeSettings = Field(description="How an image is made.")
    environments: Mapping[_Environment, EnvironmentSettings] = Field(
        default={}, description="The environments by name."
    )
    promote: PromoteSettings = Field(
        default=PromoteSettings(), description="How an image is put into service."
    )
    terraform: TerraformSettings = Field(
        default=TerraformSettings(), description="How releases become resources."
    )
    state: StateSettings = Field(default=StateSettings(), description="Where state is kept.")

    _file: Path = PrivateAttr(default=Path("pipeline.toml"))

    def model_post_init(self, context: Any, /) -> None:
        """Remember the file; it is no key, so it comes as context."""
        if context:
            self._file = context["file"]

    @property
    def file(self) -> Path:
        """The file these settings were read from."""
        return self._file

    @property
    def root(self) -> Path:
        """The folder of pipeline.toml, which every path in it begins from."""
        return self._file.parent

    def bake_for(self, environment: str | None) -> BakeSettings:
        """Give the bake of one environment, or of none."""
        if environment is None:
            return self.bake
        return self.bake.with_overrides(self.environment(environment).bake)

    def terraform_for(self, environment: str) -> TerraformSettings:
        """Give the module call of one environment."""
        return self.terraform.with_overrides(self.environment(environment).terraform)

    def promote_for(self, environment: str) -> PromoteSettings:
        """Give the promotion of one environment."""
        return self.promote.with_overrides(self.environment(environment).promote)

    def environment(self, name: str) -> EnvironmentSettings:
        """Give one environment; raises ConfigurationError where there is none of that name."""
        if name not in self.environments:
            raise self._unknown(name)
        return self.environments[name]

    def _unknown(self, environment: str) -> ConfigurationError:
        name = rules.shown(environment).strip("'\"")
        near = difflib.get_close_matches(environment[:64], list(self.environments), n=1)
        remedy = f"write {near[0]}" if near else f"add [environments.{name}] to {self._file}"
        return ConfigurationError(
            where=f"environment {name}", what=f"is not in {self._file}", remedy=remedy
        )

    def public(self) -> dict[str, object]:
        """Give the resolved settings for people to read: secrets by name only."""
        document = self.model_dump(mode="json")
        tables = [document["bake"], *(each["bake"] for each in document["environments"].values())]
        for table in tables:
            for name in self.bake.sensitive:
                if name in table["vars"]:
                    table["vars"][name] = HIDDEN
        return document


def schema() -> dict[str, object]:
    """Make the JSON Schema of pipeline.toml, for editors."""
    made = Settings.model_json_schema()
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "pipeline.toml"
    return made


def tables(model: type[BaseModel] = Settings, prefix: str = "") -> dict[str, tuple[str, ...]]:
    """List the keys of every table of the file: `environments.NAME.bake` -> (vars, ...)."""
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
    """List every key of the file by its full name, tables included."""
    return tuple(
        f"{table}.{name}".lstrip(".") for table, names in tables().items() for name in names
    )
