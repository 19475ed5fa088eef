"""Files that appear when they are whole."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaffinch.core.errors import InputError


def written(files: Mapping[Path, Callable[[Path], Any]]) -> None:
    """Let drafts be filled beside the places of files, then give them the names.

    Args:
        files: What fills a draft, by its place; it gets the path of the draft. Folders are made,
            and files that are there are replaced, all when every draft is whole.

    Raises:
        InputError: A file cannot be written; what was there is there still.
    """
    drafts = {place: place.with_name(f"{place.name}.draft-{os.getpid()}") for place in files}
    place = next(iter(files))
    try:
        for place, write in files.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            write(drafts[place])
        for place, draft in drafts.items():
            os.replace(draft, place)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"to write {place}", reason, "Check rights and space there") from error
    finally:
        for draft in drafts.values():
            with suppress(OSError):
                draft.unlink(missing_ok=True)


def free(place: Path, overwrite: bool) -> None:
    """Refuse a place where something is.

    Raises:
        InputError: A folder; or a file, and it is not to be replaced.
    """
    if place.is_dir():
        raise InputError(f"the name of a file, not {place}", "a folder", "Choose another --out")
    if place.exists() and not overwrite:
        raise InputError(f"no file at {place}", "one", "Choose another --out, or use --overwrite")
