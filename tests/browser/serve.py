"""Serve the dashboard of the examples until SIGTERM; prints its URL."""

from __future__ import annotations

import signal
import sys

from pipeline.adapters.web.server import Server
from tests.ui.reports.stand import example_site


def main(text: str) -> None:
    """Serve; `text` replaces what people can write."""

    def tell(url: str) -> None:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        Server(site=example_site(text)).run(tell)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main(sys.argv[1])
