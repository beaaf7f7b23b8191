"""`ami-pipeline docs`."""

from __future__ import annotations

import sys

import click

from pipeline.cli.context import Context, is_terminal, pass_context


@click.command()
@click.argument("topic", required=False)
@pass_context
def docs(context: Context, topic: str | None) -> None:
    """Show the documentation: the list of topics, or the page of TOPIC.

    A pipe gets the page as Markdown, a terminal gets it formatted.
    """
    from pipeline.app.docs import pages
    from pipeline.core.documentation import find
    from pipeline.ui.docs import draw_page, page_document, topics_document, topics_text
    from pipeline.ui.results import as_json

    shipped = pages()
    if topic is None:
        text = topics_text(shipped)
        context.tell(as_json(topics_document(shipped)) if context.json else text)
        return
    page = find(shipped, topic)
    if is_terminal(sys.stdout) and not context.json:
        draw_page(page, sys.stdout, context.width, color=context.color)
        return
    context.tell(as_json(page_document(page)) if context.json else page.text.rstrip("\n"))
