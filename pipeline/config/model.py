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
    ConfigDict,
    Field,
    PrivateAttr,
    WithJsonSchema,
)

from pipeline.core import rules
from pipeline.core.errors import ConfigurationError

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


def _check_duration(value: object) -> float:
    # Not TypeError, which pydantic would not collect.
    return rules.check_duration(value if isinstance(value, str) else f"{value!r}"[:32])


_App = Annotated[str, AfterValidator(rules.check_app)]
_Environment = Annotated[str, AfterValidator(rules.check_environment)]
_Region = Annotated[str, AfterValidator(rules.check_region)]
_Path = Annotated[str, AfterValidator(rules.check_path)]
_BuildName = Annotated[str, AfterValidator(rules.check_build_name)]
_VariableName = Annotated[str, AfterValidator(rules.check_variable_name)]
_EnvVariable = Annotated[str, AfterValidator(rules.check_env_variable)]
_TagKey = Annotated[str, AfterValidator(rules.check_tag_key)]
_TagValue = Annotated[str, AfterValidator(rules.check_tag_value)]
_Value = Annotated[
    object,
    AfterValidator(rules.check_variable),
    WithJsonSchema({"type": ["string", "integer", "number", "boolean", "array", "object"]}),
]
_Duration = Annotated[
    float,
    BeforeValidator(_check_duration),
    WithJsonSchema({"type": "string", "pattern": "^(\\d+h)?(\\d+m)?(\\d+s)?$", "minLength": 2}),
]
_Vars = Mapping[_VariableName, _Value]
_VarsFromEnv = Mapping[_VariableName, _EnvVariable]
_Tags = Mapping[_TagKey, _TagValue]
# TOML has lists; a frozen model keeps tuples, which strict mode would refuse to make of them.
_LIST: Final = Field(strict=False)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class SourceSettings(_Table):
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


class EnvironmentBakeSettings(_Table):
    """What one environment changes about a bake; its words win over those of [bake]."""

    vars: _Vars = Field(default={}, repr=False, description="Packer variables of this environment.")
    vars_from_env: _VarsFromEnv = Field(
        default={}, description="Secret Packer variables of this environment."
    )
    tags: _Tags = Field(default={}, description="Tags of this environment's images.")


class EnvironmentSettings(_Table):
    """Where releases run, and what is baked differently for it."""

    bake: EnvironmentBakeSettings = Field(
        default=EnvironmentBakeSettings(), description="What is baked differently."
    )


class BakeSettings(_Table):
    """How an image is made. Durations are seconds."""

    template: _Path = Field(
        description="The Packer template: a file (.pkr.hcl, .json) or a directory.",
        examples=["packer/app.pkr.hcl"],
    )
    directory: _Path = Field(default=".", description="Where Packer runs.")
    inputs: Annotated[tuple[_Path, ...], _LIST] = Field(
        default=(), description="Further files and directories that decide what the image is."
    )
    only: Annotated[tuple[_BuildName, ...], _LIST] = Field(
        default=(), description="Builds of the template to run; empty means all."
    )
    vars: _Vars = Field(default={}, repr=False, description="Packer variables.")
    vars_from_env: _VarsFromEnv = Field(
        default={}, description="Secret Packer variables, each from an environment variable."
    )
    sensitive: Annotated[tuple[_VariableName, ...], _LIST] = Field(
        default=(), description="Names in vars whose values are masked."
    )
    regions: Annotated[tuple[_Region, ...], _LIST] = Field(
        default=(), description="Regions to copy the image to."
    )
    timeout: _Duration = Field(
        default=2700.0,
        json_schema_extra={"default": "45m"},
        description="The longest a bake may take.",
    )
    cancel_grace: _Duration = Field(
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


class StateSettings(_Table):
    """Where environment documents, images and journals live."""

    url: Annotated[str, AfterValidator(rules.check_state_url)] = Field(
        default=".ami-pipeline", description="A directory, or s3://bucket/prefix."
    )


class Settings(_Table):
    """The whole of pipeline.toml, and the folder it stands in."""

    app: _App = Field(description="The application's name.", examples=["web"])
    region: _Region = Field(
        description="Where the image is built and runs.", examples=["eu-central-1"]
    )
    bake: BakeSettings = Field(description="How an image is made.")
    environments: Mapping[_Environment, EnvironmentSettings] = Field(
        default={}, description="The environments by name."
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
        if environment not in self.environments:
            raise self._unknown(environment)
        return self.bake.with_overrides(self.environments[environment].bake)

    def _unknown(self, environment: str) -> ConfigurationError:
        name = rules.shown(environment).strip("'\"")
        near = difflib.get_close_matches(environment[:64], list(self.environments), n=1)
        remedy = f"write {near[0]}" if near else f"add [environments.{name}] to {self._file}"
        return ConfigurationError(
            where=f"environment {name}", what=f"is not in {self._file}", now=remedy
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
