"""Complete environments, releases and images from files alone: fast, and silent if one is odd.

A store in S3 is not read: a completion must not wait for a network.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.merging import EXTENDS, fill_app, merge

if TYPE_CHECKING:
    import click

Completer = Callable[["click.Context", "click.Parameter", str], list[str]]


def _matching(names: Callable[[click.Context], Iterable[str]]) -> Completer:
    """Return a completer that offers the names with the typed beginning, and nothing on errors."""

    def complete(ctx: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
        try:
            found = dict.fromkeys(each for each in names(ctx) if each.startswith(incomplete))
        except Exception:  # noqa: BLE001 - a shell shows whatever is printed here
            return []
        return list(found)

    return complete


def _configuration(ctx: click.Context) -> tuple[dict[str, Any], Path]:
    """Return the nearest pipeline.toml, or that of --config, with its defaults; and its folder."""
    given = ctx.find_root().params.get("config")
    here = Path.cwd()
    files = [Path(given)] if given else [each / "pipeline.toml" for each in (here, *here.parents)]
    file = next(each for each in files if each.is_file())
    own = tomllib.loads(file.read_text())
    shared = file.parent / own[EXTENDS] if EXTENDS in own else None
    defaults = tomllib.loads(shared.read_text()) if shared else {}
    return fill_app(merge(own, defaults)), file.parent


def _environments(ctx: click.Context) -> Iterator[str]:
    yield from _configuration(ctx)[0].get("environments", {})


def _store(ctx: click.Context) -> Path:
    settings, folder = _configuration(ctx)
    return folder / str(settings.get("state", {}).get("url", ".ami-pipeline"))


def _releases(ctx: click.Context) -> Iterator[str]:
    """Yield the releases of the environment that is typed already, and their versions."""
    path = _store(ctx) / "environments" / f"{ctx.params['environment']}.json"
    content = json.loads(path.read_text())["content"]
    retired = content.get("retired", [])
    names = [*content.get("releases", {}), *(each["release"] for each in retired)]
    yield from sorted(names, reverse=True)
    kept = content.get("releases", {}).values()
    yield from (each["version"] for each in (*kept, *retired) if each.get("version"))


def _images(ctx: click.Context) -> Iterator[str]:
    """Yield the versions and the AMIs of the recorded images."""
    files = sorted((_store(ctx) / "images").glob("*.json"))
    images = [json.loads(each.read_text())["image"] for each in files]
    yield from (each["version"] for each in images if each.get("version"))
    yield from (ami for each in images for ami in each["ids"].values())


def _phases(_ctx: click.Context) -> Iterable[str]:
    from pipeline.core.validation.deployment_values import PAUSABLE_NAMES

    return PAUSABLE_NAMES


complete_environment = _matching(_environments)
complete_release = _matching(_releases)
complete_image = _matching(_images)
complete_phase = _matching(_phases)
