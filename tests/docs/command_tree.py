"""The commands of the program, as click knows them."""

from __future__ import annotations

import click


def commands(
    group: click.Group, context: click.Context, path: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += commands(command, context, (*path, name))
        else:
            found.append(((*path, name), command))
    return found
