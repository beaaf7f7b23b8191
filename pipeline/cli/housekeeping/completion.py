"""`ami-pipeline completion`."""

from __future__ import annotations

import click
from click import shell_completion

from pipeline.cli.context import Context, pass_context

VARIABLE = "_AMI_PIPELINE_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_context
def completion(context: Context, shell: str) -> None:
    """Print the script that completes commands in a shell.

    For bash, add to ~/.bashrc: eval "$(ami-pipeline completion bash)"
    """
    found = shell_completion.get_completion_class(shell)
    root = click.get_current_context().find_root().command
    if found is not None:
        made = found(root, {}, "ami-pipeline", VARIABLE)
        # The source of bash's class starts bash to ask for its version.
        context.tell(made.source_template % made.source_vars())
