"""Writing so that a crash of the machine leaves the old or the new content, never half of it.

A rename may reach the disk before the bytes of the file that is renamed. So these are put on the
disk first, and the entry in the folder afterwards.
"""

import errno
import os
import uuid
from pathlib import Path

from chaffinch.core.errors import InputError

_REAL = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
"""Faults of a disk; anything else only says that this file system cannot be asked."""

_FEW, _NAME = 64, 100


def sync(path: Path) -> None:
    """Put the content of a file, or the entries of a folder, on the disk.

    Raises:
        OSError: The disk is full or damaged.
    """
    try:
        number = os.open(path, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno in _REAL:
            raise
    finally:
        os.close(number)


def sync_tree(path: Path) -> None:
    """Put a file, or a folder with all that is in it, on the disk."""
    if not path.is_dir():
        sync(path)
        return
    inside = [file for file in path.rglob("*") if not file.is_symlink()]
    if len(inside) > _FEW and hasattr(os, "sync"):
        os.sync()  # once for thousands of images, not thousands of times
        return
    for file in (*inside, path):
        sync(file)


def need_name(path: Path) -> None:
    """Refuse a path that ends in no name: no file can be beside it, or be it.

    Raises:
        InputError: Such as ``/`` or ``.``.
    """
    if not path.name:
        raise InputError("the path of a file to write", f"the folder {path}", "Add its name")


def draft_of(path: Path) -> Path:
    """A name beside a file that nobody has, for what is to become the file.

    Raises:
        InputError: The path of a folder, such as ``/`` or ``.``.
    """
    need_name(path)
    return path.with_name(f".{path.name[:_NAME]}.{uuid.uuid4().hex[:12]}.draft")


def replace(draft: Path, place: Path) -> None:
    """Give a finished draft its name; readers see the old file or the new one, whole."""
    sync(draft)
    os.replace(draft, place)
    sync(place.parent)
