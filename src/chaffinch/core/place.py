"""Paths that do not exist, and what was probably meant. Imports nothing slow."""

import difflib
import os

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
