"""Finding the run that a path means."""

import os
from pathlib import Path
from typing import Any

from chaffinch.core.errors import InputError, RunError
from chaffinch.core.place import check_run
from chaffinch.store.run import RECORD, RunFolder


def run_folder(path: Any) -> RunFolder:
    """The finished run at a path.

    Raises:
        InputError: No path, nothing there, a run that is not finished, or something that is no run.
        RunError: A run that is damaged.
    """
    try:
        place = Path(os.fspath(path)).expanduser()
    except (TypeError, RuntimeError) as error:
        raise InputError(
            "the folder of a run", f"{path!r} ({error})", "Pass its path, such as 'run'"
        ) from error
    try:
        check_run(place)
        if not place.is_dir() and (place.parent / RECORD).is_file():
            raise RunError(
                f"the folder of a run at {place}", "a file in one", f"Pass {str(place.parent)!r}"
            )
        folder = RunFolder(place)
    except RunError as error:
        raise InputError(error.expected, error.got, error.remedy) from error
    except (OSError, ValueError) as error:  # too long, with a null character, not to be read
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            "the folder of a run", f"{str(place)!r} ({reason})", "Check the path and its rights"
        ) from error
    _ = folder.record, folder.findings  # a damaged run is told at once
    return folder
