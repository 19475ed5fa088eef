"""One process writes a folder at a time, and a process that ended holds nothing."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaffinch.core.errors import RunError
from chaffinch.store import lock
from chaffinch.store.lock import alone

HOLDER = """
import sys
from pathlib import Path
from chaffinch.store.lock import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_another_process_is_refused_until_it_is_killed(tmp_path):
    out = tmp_path / "new" / "run"
    words = [sys.executable, "-c", HOLDER, str(out)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "held\n"
            with (
                pytest.raises(RunError, match=rf"process {other.pid}\).*another --out"),
                alone(out),
            ):
                pass
        finally:
            other.kill()
    assert (out.parent / ".run.lock").exists()  # what is left of a killed one keeps nobody out
    with alone(out):
        pass
    assert list(out.parent.iterdir()) == []


def test_a_lock_holds_under_any_spelling_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with alone(Path("run")):
        for other in (tmp_path / "run", Path("x/../run")):
            with pytest.raises(RunError, match="another process"), alone(other):
                pass
        with alone(Path("other")):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_deleted_meanwhile_is_not_taken_for_one(tmp_path):
    file = tmp_path / "lock"
    first = lock._held(file)
    opened = os.open(file, os.O_RDWR)
    lock._release(first, file)
    assert not lock._same(opened, file)
    again = lock._held(file)
    assert not lock._same(opened, file)
    assert lock._same(again, file)
    lock._release(again, file)
    os.close(opened)


def test_without_locks_of_the_file_system_others_here_are_kept_out(tmp_path, monkeypatch):
    take, place = lock._take, str(tmp_path)

    def refuse(number):
        if os.readlink(f"/proc/self/fd/{number}").startswith(place):
            raise OSError(errno.ENOTSUP, "no locks")
        take(number)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc")
    monkeypatch.setattr(lock, "_take", refuse)
    with (
        alone(tmp_path / "run"),
        pytest.raises(RunError, match="another process"),
        alone(tmp_path / "run"),
    ):
        pass
    with alone(tmp_path / "run"):
        pass


def test_where_nothing_can_be_written_nobody_else_does(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(lock, "_held", refuse)
    with alone(tmp_path / "run"):
        pass
    (tmp_path / "file").write_text("")
    monkeypatch.undo()
    with alone(tmp_path / "file" / "run"):
        pass
