"""Files and folders that appear when they are whole, and only where nothing else is."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from chaffinch.core.durable import sync, sync_tree
from chaffinch.core.errors import InputError
from chaffinch.store.mark import mark, marked, need_local

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)
_NAME = 40


def written(files: Mapping[Path, Callable[[Path], Any]], *, overwrite: bool = True) -> None:
    """Let drafts be filled beside the places of files, then give them the names.

    Args:
        files: What fills a draft, by its place; it gets the path of the draft. Folders are made.
            All get their names when every draft is whole.
        overwrite: Whether files that exist are replaced; else nothing is, not even what appeared
            a moment ago.

    Raises:
        InputError: A file cannot be written; what was there is there still.
    """
    place = next(iter(files))
    try:
        with ExitStack() as stack:
            drafts = {}
            for place, write in files.items():
                drafts[place] = stack.enter_context(drafting(place))
                write(drafts[place])
            for place, draft in drafts.items():
                put(draft, place, overwrite=overwrite)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"to write {place}", reason, "Check rights and space there") from error


def delivered(files: Mapping[Path, Callable[[Path], Any]], *, overwrite: bool) -> None:
    """`written`, for files that a user asked for: it is noted that Chaffinch wrote them."""
    written(files, overwrite=overwrite)
    for place in files:
        mark(place)


@contextmanager
def drafting(place: Path) -> Iterator[Path]:
    """A free name beside a place for its draft; what is left there in the end is removed."""
    with suppress(FileExistsError):  # a file: what follows says that it is no folder
        place.parent.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix=f".{place.name[:_NAME]}-", dir=place.parent))
    try:
        yield home / place.name
    finally:
        shutil.rmtree(home, ignore_errors=True)


def put(draft: Path, place: Path, *, overwrite: bool) -> None:
    """Give a whole draft, a file or a folder, its name.

    Args:
        draft: What is to be put, on the same file system.
        place: Its name from now on.
        overwrite: Whether what exists there is replaced. An old folder is moved away first and
            deleted last.

    Raises:
        InputError: Something exists there, and it is not to be replaced.
        OSError: The disk.
    """
    sync_tree(draft)
    if not overwrite:
        _put_free(draft, place)
    elif place.is_dir() or (draft.is_dir() and os.path.lexists(place)):
        _swap(draft, place)
    else:
        os.replace(draft, place)
    sync(place.parent)


def _put_free(draft: Path, place: Path) -> None:
    try:
        if draft.is_dir():
            if os.path.lexists(place):
                raise FileExistsError(errno.EEXIST, "something exists", str(place))
            os.rename(draft, place)  # which fails where something appeared meanwhile
            return
        try:
            os.link(draft, place)  # unlike a rename, it never replaces
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            place.open("xb").close()
            os.replace(draft, place)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        raise InputError(
            f"nothing at {place}", "something that exists", "Choose another --out"
        ) from error


def _swap(draft: Path, place: Path) -> None:
    with drafting(place) as aside:
        os.replace(place, aside)
        try:
            os.replace(draft, place)
        except BaseException:
            os.replace(aside, place)
            raise


def free(place: Path, overwrite: bool) -> None:
    """Refuse a place for a file where something is that may not be replaced.

    Raises:
        InputError: A folder or URL; or a file, and it is not to be replaced, or Chaffinch did not
            write it.
    """
    need_local(place)
    if place.is_dir():
        raise InputError(f"the name of a file, not {place}", "a folder", "Choose another --out")
    if not os.path.lexists(place):
        return
    if not overwrite:
        raise InputError(f"no file at {place}", "one", "Choose another --out, or use --overwrite")
    need_own(place)


def need_own(place: Path) -> None:
    """Refuse to replace what Chaffinch did not write, or what was changed since.

    Raises:
        InputError: It did not, or it was.
    """
    if not marked(place):
        raise InputError(
            f"something that Chaffinch wrote at {place}, to overwrite it",
            "something that it did not write, or that was changed since",
            "Choose another --out, or move away what is there",
        )
