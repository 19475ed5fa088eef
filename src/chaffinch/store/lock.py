"""One process at a time: a lock of the operating system, which ends with its process."""

import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chaffinch.core.errors import RunError

if sys.platform == "win32":
    import msvcrt

    def _take(number: int) -> None:
        os.lseek(number, 2**30, os.SEEK_SET)  # beyond what is written, so that others can read it
        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(number: int) -> None:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


_BUSY = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)


@contextmanager
def alone(out: Path, work: str = "scan") -> Iterator[None]:
    """Hold the lock on a folder that is to be written, which need not exist yet.

    The lock is a file beside the folder, so that the folder can be replaced. Where the file system
    knows no locks, one in the folder for temporary files keeps out others on this computer; where
    nothing can be written beside the folder, nobody can be writing it either.

    Args:
        out: The folder.
        work: What it is held for, in the message to others.

    Raises:
        RunError: Another process, or another thread, holds it.
    """
    place = out.expanduser().resolve()
    number = file = None
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
    for file in (place.with_name(f".{place.name}.lock"), _elsewhere(place)):
        try:
            number = _held(file)
            break
        except BlockingIOError as error:
            raise RunError(
                f"{out} to itself for a {work}",
                f"another process that is writing it{_holder(file)}",
                "Wait until it has ended, or choose another --out",
            ) from error
        except (PermissionError, NotADirectoryError, FileNotFoundError):
            break  # not to be written to: whoever tries will be told why
        except OSError as error:
            if error.errno == errno.EROFS:
                break
    try:
        yield
    finally:
        if number is not None and file is not None:
            _release(number, file)


def _held(file: Path) -> int:
    """Open and lock a file.

    Raises:
        BlockingIOError: Another holds it.
        OSError: It cannot be opened, or knows no locks.
    """
    while True:
        number = _opened(file)
        try:
            try:
                _take(number)
            except OSError as error:
                if error.errno in _BUSY:
                    raise BlockingIOError(error.errno, "locked", str(file)) from error
                raise
            if _same(number, file):
                with suppress(OSError):  # only told to others, and another user's is read-only
                    os.lseek(number, 0, os.SEEK_SET)
                    os.write(number, f"{os.getpid():<20}\n".encode())
                return number
        except BaseException:
            os.close(number)
            raise
        os.close(number)  # its holder deleted it between our opening and our locking


def _opened(file: Path) -> int:
    """Make or open the file; that of another user need not be written to."""
    follow = getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | follow, 0o666)
    except PermissionError:
        return os.open(file, os.O_RDONLY | follow)


def _same(number: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(number), file.stat())
    except FileNotFoundError:
        return False


def _release(number: int, file: Path) -> None:
    # Deleted while it is held: whoever opened it meanwhile sees that it is no longer the one.
    with suppress(OSError):
        file.unlink()
    os.close(number)
    with suppress(OSError):  # Windows deletes no open files
        if sys.platform == "win32":
            file.unlink()


def _holder(file: Path) -> str:
    try:
        number = file.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
    return f" (process {number})" if number.isdigit() else ""


def _elsewhere(place: Path) -> Path:
    name = hashlib.sha256(os.fsencode(place)).hexdigest()[:32]
    return Path(tempfile.gettempdir()) / f"chaffinch-{name}.lock"
