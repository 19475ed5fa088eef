"""Serving the page to this computer, and on purpose to a trusted network."""

import os
import re
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
_EVERY = ("", "0.0.0.0", "::", "*")
_NAME = re.compile(r"[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:]{2,45}")
_LAST_PORT = 65535
_GRACE = 2
"""Seconds that open requests get when the server is stopped."""


def serve(
    session: Session,
    port: int | None = None,
    *,
    host: str = HOST,
    browser: bool = True,
    say: Callable[[str], object] = print,
) -> None:
    """Serve the page of a session until Ctrl-C.

    Args:
        session: Who reviews what.
        port: Any free one by default.
        host: Name or address of this computer under which the page is served: 127.0.0.1, which no
            other computer reaches, or on purpose one of a network whose computers are trusted.
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
    with listen(port, host) as listening:
        taken = int(listening.getsockname()[1])
        address = f"http://{_in_address(host)}:{taken}/?key={session.key}"
        settings = uvicorn.Config(
            make_app(session, taken, host),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=_GRACE,
        )
        say(f"Review as {session.reviewer}: {address}")
        if host != HOST:
            say(
                "Whoever gets this address first can decide in your name, and nothing on the way "
                "is encrypted: hand it on over a trusted network only."
            )
        say("Ctrl-C ends it; every decision is recorded at once.")
        with doorway(address) if browser else nullcontext() as door:
            if door is not None:
                # Beside the server: a browser of the terminal comes back only when it is closed.
                Thread(target=webbrowser.open, args=[door.as_uri()], daemon=True).start()
            with suppress(KeyboardInterrupt):
                uvicorn.Server(settings).run(sockets=[listening])


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


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


def listen(port: int | None, host: str = HOST) -> socket.socket:
    """A socket that listens on a port of an address of this computer.

    Raises:
        InputError: The port is taken or no such port, or the address is not of this computer.
    """
    if host in _EVERY or not _NAME.fullmatch(host):
        raise InputError(
            "the name or address under which others reach this computer",
            repr(host),
            "Name one, such as --host 192.168.1.20; by default only this computer is served",
        )
    if port is not None and not 0 < port <= _LAST_PORT:
        raise InputError(f"a port in 1..{_LAST_PORT}", str(port), "Choose another --port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Lets a server start on a port that the last one left a moment ago; on Windows the same
        # option would share a port that is in use.
        if not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port or 0))
        listening.listen()
    except OSError as error:
        listening.close()
        raise InputError(
            f"a free port {port} on {host}", error.strerror or "a refusal", "Choose another --port"
        ) from error
    return listening
