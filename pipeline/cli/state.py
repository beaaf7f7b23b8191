"""`ami-pipeline state show`, `restore`, `rebuild`, `providers` and `hooks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.confirm import is_yes, not_confirmed, require_terminal
from pipeline.cli.context import Context, application, echo, pass_context
from pipeline.cli.options import environment_option, yes_option

if TYPE_CHECKING:
    from pipeline.core.state.document_versions import Restoration
    from pipeline.core.state.rebuilding import Rebuilding
    from pipeline.core.terraform.provider_lock import ProviderUpgrade


@click.group()
def state() -> None:
    """Show, restore or rebuild an environment's document; show hooks, providers.

    Every other command rejects a damaged document and leaves it unchanged.
    """


@state.command()
@environment_option
@pass_context
def show(context: Context, environment: str) -> None:
    """List the versions of an environment's document, newest first."""
    from pipeline.app.state import document_versions
    from pipeline.ui.results import as_json
    from pipeline.ui.state import versions_document, versions_text

    with application(context) as app:
        found = document_versions(app, environment)
        context.tell(as_json(versions_document(found)) if context.json else versions_text(found))


@state.command()
@environment_option
@click.option(
    "--version",
    "number",
    type=click.IntRange(1),
    metavar="N",
    help="Restore version N (default: newest intact).",
)
@yes_option
@pass_context
def restore(context: Context, environment: str, number: int | None, *, yes: bool) -> None:
    """Restore an earlier version of an environment's document.

    The difference is shown before the confirmation prompt. Nothing in AWS is changed. Run recover
    or status next.
    """
    from pipeline.app.state import restore as run
    from pipeline.ui.results import as_json
    from pipeline.ui.state import restored_document, restored_text

    require_terminal(context, "state restore", yes=yes)
    with application(context) as app:
        done = run(app, environment, number, lambda found: confirm_restore(found, yes=yes))
        if done is None:
            raise not_confirmed(context)
        context.tell(as_json(restored_document(done)) if context.json else restored_text(done))


@state.command()
@environment_option
@yes_option
@pass_context
def rebuild(context: Context, environment: str, *, yes: bool) -> None:
    """Rebuild a lost document from the tags of the server groups.

    What it would write is shown before the confirmation prompt. Nothing in AWS is changed.
    Terraform imports the groups that its state lacks.
    """
    from pipeline.app.state import rebuild as run
    from pipeline.ui.results import as_json
    from pipeline.ui.state import rebuilt_document, rebuilt_text

    require_terminal(context, "state rebuild", yes=yes)
    with application(context) as app:
        done = run(app, environment, lambda found: confirm_rebuild(found, yes=yes))
        if done is None:
            raise not_confirmed(context)
        context.tell(as_json(rebuilt_document(done)) if context.json else rebuilt_text(done))


@state.command()
@environment_option
@click.option("--upgrade", is_flag=True, help="Record the newest allowed versions instead.")
@yes_option
@pass_context
def providers(context: Context, environment: str, *, upgrade: bool, yes: bool) -> None:
    """List or upgrade the recorded Terraform providers.

    The first deployment of an environment records them. With --upgrade, Terraform plans with the
    newest versions that the configuration allows. A plan that changes a resource is refused.
    """
    from pipeline.app.state import providers as read
    from pipeline.app.state import upgrade_providers
    from pipeline.ui.results import as_json
    from pipeline.ui.state import (
        providers_document,
        providers_text,
        upgrade_document,
        upgraded_text,
    )

    if not upgrade:
        with application(context) as app:
            found = read(app, environment)
            document, text = providers_document(environment, found), providers_text(found)
            context.tell(as_json(document) if context.json else text)
        return
    require_terminal(context, "state providers", yes=yes)
    with application(context) as app:
        done = upgrade_providers(app, environment, lambda plan: confirm_upgrade(plan, yes=yes))
        if done is None:
            raise not_confirmed(context)
        document, text = upgrade_document(environment, done), upgraded_text(done)
        context.tell(as_json(document) if context.json else text)


@state.command()
@environment_option
@click.option("--ended", is_flag=True, help="Record that those with an unknown end have ended.")
@click.option("--again", is_flag=True, help="Let those with an unknown end run again.")
@click.option("--image", metavar="AMI", default="", help="Only those of this image.")
@pass_context
def hooks(context: Context, environment: str, image: str, *, ended: bool, again: bool) -> None:
    """List the hooks that ran once, or record how they ended.

    A hook with once does not run again if its end is unknown, because it may have changed
    something. Find out what it did, then use --ended or --again.
    """
    from pipeline.app.state import once_runs, settle_once
    from pipeline.ui.results import as_json
    from pipeline.ui.state import once_document, once_text

    if ended and again:
        raise click.UsageError("--ended and --again exclude each other")
    with application(context) as app:
        if ended or again:
            found = settle_once(app, environment, image, again=again)
        else:
            found = once_runs(app, environment)
        document, text = once_document(environment, found), once_text(environment, found)
        context.tell(as_json(document) if context.json else text)


def confirm_upgrade(upgrade: ProviderUpgrade, *, yes: bool) -> bool:
    """Show the versions and the plan, and ask the person at the terminal unless `yes`."""
    from pipeline.ui.state import upgrade_text

    echo(upgrade_text(upgrade))
    return yes or is_yes("record these versions now? [y/N]: ")


def confirm_rebuild(found: Rebuilding, *, yes: bool) -> bool:
    """Show the document, and ask the person at the terminal unless `yes`."""
    from pipeline.ui.state import rebuilding_text

    echo(rebuilding_text(found))
    return yes or is_yes("write it now? [y/N]: ")


def confirm_restore(found: Restoration, *, yes: bool) -> bool:
    """Show the difference, and ask the person at the terminal unless `yes`."""
    from pipeline.ui.state import difference_text

    echo(difference_text(found))
    return yes or is_yes("restore it now? [y/N]: ")
