"""Serving the page to this computer, and to no other."""

import os
import socket
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Thread

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.review.session import Session

HOST = "127.0.0.1"
_LAST_PORT = 65535
_GRACE = 2
"""Seconds that open requests get when the server is stopped."""


def serve(
    session: Session,
    port: int | None = None,
    *,
    browser: bool = True,
    say: Callable[[str], object] = print,
) -> None:
    """Serve the page of a session until Ctrl-C.

    Args:
        session: Who reviews what.
        port: Of 127.0.0.1; any free one by default.
        browser: Whether to open the page.
        say: Is told the address.

    Raises:
        InputError: The port is taken, or there is no such port.
        MissingExtraError: The extra ``review`` is not installed.
    """
    try:
        import uvicorn

        from chaffinch.review.app import make_app
    except ImportError as error:
        raise MissingExtraError("the review page", "review", error.name or "fastapi") from error
    with listen(port) as listening:
        taken = int(listening.getsockname()[1])
        address = f"http://{HOST}:{taken}/?key={session.key}"
        settings = uvicorn.Config(
            make_app(session, taken),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=_GRACE,
        )
        say(f"Review as {session.reviewer}: {address}")
        say("Ctrl-C ends it; every decision is recorded at once.")
        with doorway(address) if browser else nullcontext() as door:
            if door is not None:
                # Beside the server: a browser of the terminal comes back only when it is closed.
                Thread(target=webbrowser.open, args=[door.as_uri()], daemon=True).start()
            with suppress(KeyboardInterrupt):
                uvicorn.Server(settings).run(sockets=[listening])


@contextmanager
def doorway(address: str) -> Iterator[Path]:
    """A file, which only this account can read, that leads a browser to an address.

    Everybody on the computer sees the words by which a program was started. So the address, with
    the key in it, must not be among those of the browser.
    """
    with tempfile.TemporaryDirectory(prefix="chaffinch-review-") as folder:
        file = Path(folder) / "review.html"
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "w", encoding="utf-8") as page:
            page.write(
                '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
                f'<meta http-equiv="refresh" content="0; url={address}"><title>Chaffinch</title>'
                f'<p><a href="{address}">Review</a></p>\n'
            )
        yield file


def listen(port: int | None) -> socket.socket:
    """A socket that listens on a port of 127.0.0.1.

    Raises:
        InputError: The port is taken, or there is no such port.
    """
    if port is not None and not 0 < port <= _LAST_PORT:
        raise InputError(f"a port in 1..{_LAST_PORT}", str(port), "Choose another --port")
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Lets a server start on a port that the last one left a moment ago; on Windows the same
        # option would share a port that is in use.
        if not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port or 0))
        listening.listen()
    except OSError as error:
        listening.close()
        raise InputError(
            f"a free port {port} on {HOST}", error.strerror or "a refusal", "Choose another --port"
        ) from error
    return listening
