"""Return the effective value of each key of pipeline.toml, with its origin."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from pydantic import BaseModel

from pipeline.config.file import settings_of
from pipeline.config.layers import Layers, read_layers
from pipeline.config.lines import Key
from pipeline.config.model import HIDDEN, EnvironmentSettings, Settings
from pipeline.config.paths import relocated
from pipeline.core.merging import Setting, merge

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_OVERRIDDEN: Final = ("bake", "promote", "terraform", "notify_check")
_DERIVED: Final = {"max_size": "maximum", "desired_capacity": "desired"}


def effective(
    path: Path, environment: str | None, environ: Mapping[str, str]
) -> tuple[Settings, tuple[Setting, ...]]:
    """Return the settings of a file, and each key with its value as it would be written.

    With an environment, its overrides replace the values of [bake], [promote] and [terraform], and
    the other environments are left out. Raises ConfigurationError. Sensitive values are hidden.
    """
    layers = read_layers(path)
    settings = settings_of(layers)
    if environment is not None:
        settings.environment(environment)
    reader = _Reader(layers, settings, environment, environ)
    return settings, tuple(reader.read())


class _Reader:
    """Walks through the tables of one document."""

    def __init__(
        self,
        layers: Layers,
        settings: Settings,
        environment: str | None,
        environ: Mapping[str, str],
    ) -> None:
        self._layers = layers
        self._settings = settings
        self._environment = environment
        self._environ = environ
        self._document = relocated(layers)

    def read(self) -> Iterator[Setting]:
        document = self._document
        if self._environment is not None:
            document = _of_environment(document, self._environment)
        yield from self._table(Settings, document, ())

    def _table(
        self, model: type[BaseModel], table: Mapping[str, Any], key: Key
    ) -> Iterator[Setting]:
        for name, field in model.model_fields.items():
            given, inner = table.get(name), _inner(field)
            if inner is EnvironmentSettings:
                for environment, each in (given or {}).items():
                    yield from self._table(inner, each, (*key, name, environment))
            elif inner and (name in table or field.default is not None):
                yield from self._table(inner, given or {}, (*key, name))
            else:
                yield from self._value((*key, name), given, field)

    def _value(self, key: Key, given: object, field: FieldInfo) -> Iterator[Setting]:
        match given:
            case None:
                default = self._default(key, field)
                if default is not None and default not in ({}, ()):
                    yield Setting(key=key, value=default)
            case dict():
                for name, value in given.items():
                    yield self._given((*key, name), value)
            case _:
                yield self._given(key, given)

    def _given(self, key: Key, value: object) -> Setting:
        place = self._layers.place(self._origin(key))
        variable = str(value) if key[-2:-1] == ("vars_from_env",) else ""
        is_hidden = key[-2:-1] == ("vars",) and key[-1] in self._settings.bake.sensitive
        return Setting(
            key=key,
            value=HIDDEN if is_hidden else value,
            file=os.path.relpath(place.file.absolute(), self._settings.root),
            line=place.line,
            variable=variable,
            is_set=bool(self._environ.get(variable)) if variable else False,
        )

    def _origin(self, key: Key) -> Key:
        """Return the key that decides a value: an environment's override, if there is one."""
        if self._environment is None or key[0] not in _OVERRIDDEN:
            return key
        over: Key = ("environments", self._environment, *key)
        return over if self._layers.exact(over) else key

    def _default(self, key: Key, field: FieldInfo) -> object:
        """Return a default as it would be written; sizes follow from each other."""
        extra = field.json_schema_extra
        if isinstance(extra, dict) and "default" in extra:
            return extra["default"]
        if key[0] == "environments" and key[-1] in _DERIVED:
            size = self._settings.environment(str(key[1])).size
            return getattr(size, _DERIVED[str(key[-1])])
        return None if field.is_required() else field.default


def _of_environment(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a document in which the overrides of an environment are in place."""
    here = document["environments"][name]
    tables = {
        table: merge(here.get(table, {}), document.get(table, {}), (table,))
        for table in _OVERRIDDEN
        if table in document or table in here
    }
    own = {key: value for key, value in here.items() if key not in _OVERRIDDEN}
    return {**document, **tables, "environments": {name: own}}


def _inner(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a table; a list of tables is a value."""
    inner = () if get_origin(field.annotation) is tuple else get_args(field.annotation)
    for part in (field.annotation, *inner):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None
