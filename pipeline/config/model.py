"""Define the keys of pipeline.toml: their types, defaults, rules and descriptions.

The editor's schema, the reference page and the hint for an unknown key come from
these classes. `pipeline.config.load` builds `Settings` and also checks keys against
each other, so a `Settings` is always valid.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr

from pipeline.config.bake import BakeSettings, EnvironmentBakeSettings
from pipeline.config.basis import LIST, KmsKey, Region, Table
from pipeline.config.notify.settings import (
    EnvironmentNotifyCheckSettings,
    NotifyCheckSettings,
    Targets,
)
from pipeline.config.operations.freezes import Freezes
from pipeline.config.operations.policies import Policies
from pipeline.config.promote.promotion import EnvironmentPromoteSettings, PromoteSettings
from pipeline.config.promote.traffic import Pairs, key_of
from pipeline.config.terraform import EnvironmentTerraformSettings, TerraformSettings
from pipeline.core.errors import ConfigurationError
from pipeline.core.freezing.windows import Window
from pipeline.core.state.release import Size
from pipeline.core.validation import deployment_values, terraform_values, values
from pipeline.core.validation.text import shown

HIDDEN: Final = "<sensitive>"


_App = Annotated[str, AfterValidator(values.check_app)]
_Environment = Annotated[str, AfterValidator(values.check_environment)]
_LoadBalancer = Annotated[str, AfterValidator(deployment_values.check_load_balancer)]
_TargetGroup = Annotated[str, AfterValidator(deployment_values.check_target_group)]


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
    pairs: Pairs = Field(
        default=(), description="Pairs of target groups, for traffic that moves by weights."
    )
    bake: EnvironmentBakeSettings = Field(
        default=EnvironmentBakeSettings.model_construct(), description="Overrides of [bake]."
    )
    promote: EnvironmentPromoteSettings = Field(
        default=EnvironmentPromoteSettings.model_construct(), description="Overrides of [promote]."
    )
    terraform: EnvironmentTerraformSettings = Field(
        default=EnvironmentTerraformSettings.model_construct(),
        description="Overrides of [terraform].",
    )
    notify_check: EnvironmentNotifyCheckSettings = Field(
        default=EnvironmentNotifyCheckSettings.model_construct(),
        description="Overrides of [notify_check].",
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


class StateSettings(Table):
    """The store of environment documents, image records and journals."""

    url: Annotated[str, AfterValidator(values.check_state_url)] = Field(
        default=".ami-pipeline", description="A directory or s3://bucket/prefix."
    )
    account: Annotated[str, AfterValidator(terraform_values.check_account_id)] | None = Field(
        default=None, description="The owner of the bucket; default: the environment's account."
    )
    kms_key_id: KmsKey | None = Field(
        default=None,
        description="The KMS key that encrypts the store in S3; default: as the bucket says.",
    )


class Settings(Table):
    """The settings of pipeline.toml, with the path of the file."""

    extends: Annotated[str, AfterValidator(values.check_shared_file)] | None = Field(
        default=None,
        description="A file of defaults that several services share, such as ../common.toml.",
    )
    app: _App = Field(description="The name of the application.", examples=["web"])
    region: Region = Field(
        description="The AWS region in which the image is baked and runs.",
        examples=["eu-central-1"],
    )
    bake: BakeSettings = Field(description="How an image is baked.")
    environments: Mapping[_Environment, EnvironmentSettings] = Field(
        default={}, description="The environments, by name."
    )
    promote: PromoteSettings = Field(
        default=PromoteSettings.model_construct(),
        description="How a deployment puts an image into service.",
    )
    terraform: TerraformSettings = Field(
        default=TerraformSettings.model_construct(),
        description="The Terraform module that creates the releases.",
    )
    freeze: Freezes = Field(
        default=(), description="Windows in which no release is put into service."
    )
    policy: Policies = Field(
        default=(), description="Programs that read each plan and may refuse the deployment."
    )
    state: StateSettings = Field(
        default=StateSettings.model_construct(), description="Where the state is kept."
    )
    notify: Targets = Field(default=(), description="Who is told what happens.")
    notify_check: NotifyCheckSettings = Field(
        default=NotifyCheckSettings.model_construct(), description="What `notify check` reports."
    )

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

    def notify_check_for(self, environment: str) -> NotifyCheckSettings:
        """Return what `notify check` reports of one environment."""
        return self.notify_check.with_overrides(self.environment(environment).notify_check)

    def windows_for(self, environment: str) -> tuple[Window, ...]:
        """Return the planned freezes of one environment."""
        windows = (each.window for each in self.freeze)
        return tuple(each for each in windows if each.applies_to(environment))

    def environment(self, name: str) -> EnvironmentSettings:
        """Return one environment; raise ConfigurationError if there is none of that name."""
        if name not in self.environments:
            raise self._unknown(name)
        return self.environments[name]

    def _unknown(self, environment: str) -> ConfigurationError:
        name = shown(environment).strip("'\"")
        near = difflib.get_close_matches(environment[:64], list(self.environments), n=1)
        known = ", ".join(self.environments)
        add = f"choose one of: {known}; or add [environments.{name}] to the file"
        remedy = f"write {near[0]}" if near else add
        return ConfigurationError(
            where=f"environment {name}", what=f"is not in {self._file}", remedy=remedy
        )

    def public(self) -> dict[str, object]:
        """Return the resolved settings for people to read, without secret values."""
        document = self.model_dump(mode="json", by_alias=True)
        tables = [document["bake"], *(each["bake"] for each in document["environments"].values())]
        for table in tables:
            for name in self.bake.sensitive:
                if name in table["vars"]:
                    table["vars"][name] = HIDDEN
        return document


def schema() -> dict[str, object]:
    """Return the JSON Schema of pipeline.toml, for editors.

    A file that extends another one may leave out what that one states.
    """
    made = Settings.model_json_schema()
    bake, backend = (made["$defs"][name] for name in ("BakeSettings", "BackendSettings"))
    made["if"] = {"not": {"required": ["extends"]}}
    made["then"] = {
        "required": made.pop("required"),
        "properties": {
            "bake": {"required": bake.pop("required")},
            "terraform": {"properties": {"backend": {"required": backend.pop("required")}}},
        },
    }
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "pipeline.toml"
    return made


def tables(model: type[BaseModel] = Settings, prefix: str = "") -> dict[str, tuple[str, ...]]:
    """Return the keys of every table of the file: `environments.NAME.bake` -> (vars, ...)."""
    found = {prefix: tuple(key_of(name, each) for name, each in model.model_fields.items())}
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
