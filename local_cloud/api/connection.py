"""Break the connection of a call: reset it, or close it in the middle of the answer."""

from __future__ import annotations

import os
import socket
import struct
from typing import NoReturn

from local_cloud.api.call import Environ


def reset(environ: Environ) -> NoReturn:
    """Send RST instead of an answer, and raise ConnectionResetError, which ends the request."""
    connection: socket.socket = environ["werkzeug.socket"]
    # Without lingering, closing sends RST at once; the server would shut down first, by FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
    raise ConnectionResetError("reset by a fault")


def truncated(answer: list[bytes]) -> list[bytes]:
    """Return the first half of an answer; its Content-Length is that of the whole."""
    body = b"".join(answer)
    return [body[: len(body) // 2]]
