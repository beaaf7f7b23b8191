"""Read and print again and again, for `--follow`: until Ctrl-C, or until the reader has gone."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pipeline.cli.context import Context, discard_stdout, echo, is_terminal
from pipeline.core.errors import PipelineError
from pipeline.ui.inspection.stream import LineStream, StreamLine
from pipeline.ui.text import one_line


def open_stream(context: Context) -> LineStream:
    """Return the stream to stdout; it has colors on a terminal only."""
    color = context.color and is_terminal(sys.stdout) and not os.environ.get("NO_COLOR")
    width = None if context.json else context.columns
    return LineStream(stream=sys.stdout, color=color, width=width)


def json_line(document: Mapping[str, Any]) -> StreamLine:
    """Return a document as one line (JSON Lines)."""
    return StreamLine(key="", head="", text=json.dumps(document))


def print_once(stream: LineStream, lines: Iterable[StreamLine]) -> bool:
    """Print lines; return False once the reader has gone, so that nothing is printed at exit."""
    is_read = stream.write(lines)
    if not is_read:
        discard_stdout()
    return is_read


def follow(
    read: Callable[[], Iterable[StreamLine]],
    stream: LineStream,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Print what `read` returns every `seconds`; return on Ctrl-C.

    Raises an error of the first reading. A later error is shown once, and reading continues.
    """
    try:
        is_read, error = print_once(stream, read()), ""
        while is_read:
            sleep(seconds)
            try:
                is_read, error = print_once(stream, read()), ""
            except PipelineError as failed:
                text = one_line(f"{failed.where}: {failed.what}; {failed.remedy}", 400)
                if text != error:
                    echo(f"unreadable: {text}")
                error = text
    except KeyboardInterrupt:
        return
