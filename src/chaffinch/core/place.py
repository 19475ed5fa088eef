"""Paths that do not exist, and what was probably meant. Imports nothing slow."""

import difflib
import os
import string

from chaffinch.core.errors import InputError, RunError


def need_path(path: str) -> InputError:
    """Make the error for a path at which there is nothing; it names the nearest that exists."""
    if "://" in path:
        return InputError("a file that exists", repr(path), "Check the path")
    near = nearest(path)
    remedy = f"Did you mean {near!r}? Check the path" if near else "Check the path"
    return InputError("a file or folder that exists", repr(path), remedy)


def check_path(path: str | os.PathLike[str] | None) -> None:
    """Refuse a path at which there is nothing, before anything slow is imported.

    Raises:
        InputError: There is nothing; URLs are not looked up.
    """
    if path is None or "://" in os.fspath(path):
        return
    if not os.path.exists(os.path.expanduser(path)):
        raise need_path(os.fspath(path))


def check_paths(*paths: str | os.PathLike[str] | None) -> None:
    """Check several paths as `check_path` does."""
    for path in paths:
        check_path(path)


def check_model(name: str | None) -> None:
    """Refuse the name of a model where it is the path of a file or folder that does not exist.

    What may be a module or a model of the hub is left to those who load it.

    Raises:
        InputError: There is nothing.
    """
    if name is None:
        return
    place, colon, _ = name.partition(":")
    first = place.split("/")[0]
    path = place.endswith((".py", ".gguf")) or first in (".", "..", "~", "")
    below = "/" in place and os.path.isdir(first)  # else an organisation and its model
    if path or (below and not colon):
        check_path(place)


def check_ledger(url: str | None) -> None:
    """Refuse a named ledger that does not exist, where none is to be made.

    Raises:
        InputError: There is nothing; URLs are not looked up.
    """
    if url is None or url == "none" or "://" in url or os.path.isfile(os.path.expanduser(url)):
        return
    near = nearest(url)
    remedy = f"Did you mean {near!r}? Otherwise scan" if near else "Scan"
    raise InputError(
        f"a ledger at {url}", "none", f"{remedy} with --out first, or name one with --ledger"
    )


def check_version(name: str) -> None:
    """Refuse what is neither the path of something that exists nor the id of a version.

    Raises:
        InputError: It is neither; URLs are not looked up.
    """
    if "://" in name or os.path.exists(os.path.expanduser(name)):
        return
    if not set(name.lower()) <= set(string.hexdigits):
        near = nearest(name)
        raise InputError(
            "existing data, or the id of a version",
            repr(name),
            (f"Did you mean {near!r}? " if near else "")
            + "Check the path; 'chaffinch history' lists the versions",
        )


def check_run(path: str | os.PathLike[str]) -> None:
    """Refuse the path of a run at which there is nothing, before anything slow is imported.

    Raises:
        RunError: There is nothing; a run that is not finished is for `RunFolder` to refuse.
    """
    place = os.fspath(path)
    if not os.path.exists(place) and not os.path.exists(place + ".partial"):
        near = nearest(place)
        raise RunError(
            f"a finished run in {place}",
            "none there",
            (f"Did you mean {near!r}? Otherwise run" if near else "Run")
            + " 'chaffinch scan DATA --out RUN' (an interrupted scan resumes)",
        )


def nearest(path: str) -> str:
    """The existing path most like one that does not exist, "" if none is like it."""
    parent, name = os.path.split(os.path.expanduser(path).rstrip("/") or path)
    if parent and not os.path.isdir(parent):
        parent = nearest(parent)
        if not parent:
            return ""
        if os.path.exists(os.path.join(parent, name)):
            return os.path.join(parent, name)
    try:
        names = os.listdir(parent or ".")
    except OSError:
        return ""
    lower = {one.lower(): one for one in names}
    found = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return os.path.join(parent, lower[found[0]]) if found else ""
