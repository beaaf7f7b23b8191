#!/usr/bin/python3
"""Says what it is and where it runs, over HTTP."""

import http.server
import json
import os
import pathlib


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every path with the same facts."""

    def do_GET(self) -> None:
        facts = {
            "version": pathlib.Path("VERSION").read_text().strip(),
            "instance": os.environ["INSTANCE_ID"],
            "greeting": os.environ.get("GREETING", ""),
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(facts).encode())


address = (os.environ.get("INSTANCE_ADDRESS", "0.0.0.0"), int(os.environ["PORT"]))  # noqa: S104  as on AWS
print("serving on", *address)  # noqa: T201  it goes to the console
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
