"""Runs the ledger's work in children that kill themselves at chosen lines; see test_ledger_kill.

Usage: killing.py FOLDER LINE...; prints how many lines the whole work has, then one word a child.
A child is a fork, so that one start of the interpreter does for all; it dies by SIGKILL when that
many lines of `chaffinch.store` have run, wherever that is.
"""

import os
import signal
import sys
from pathlib import Path

import chaffinch.store
from chaffinch.store.content import Source
from chaffinch.store.decision import Decision
from chaffinch.store.ledger import Ledger
from chaffinch.store.version import Snapshot, record, restore_version

HOME = str(Path(chaffinch.store.__file__).parent)


def snapshot(files):
    import pandas as pd

    rows = pd.DataFrame({"id": ["a", "b"], "digest": ["1", "2"], "label": ["x", "y"]})
    rows = rows.assign(weight=1.0, soft_label="")
    sources = [
        Source(path.relative_to(files).as_posix(), lambda path=path: path.open("rb"))
        for path in sorted(files.rglob("*.bin"))
    ]
    return Snapshot(rows, sources, True, {"source": "files"})


def work(folder, files):
    """What is interrupted. Done again from the start, it ends as if it had not been."""
    ledger = Ledger(folder / "ledger.db")
    decided = {"decided_at": "2025-01-01T00:00:00Z"}
    ledger.decide("r", [Decision("s1", "keep", "ann", **decided)])
    version = record(ledger, snapshot(files), whole=True)
    ledger.decide("r", [Decision(f"s{n}", "relabel", "bob", "cat", **decided) for n in range(9)])
    if not (folder / "out").exists():
        restore_version(ledger, version, folder / "out")


def traced(lines):
    """A tracer that counts down the lines of the store, and then kills the process."""
    left = [lines]

    def local(frame, event, argument):
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return local

    return (
        left,
        lambda frame, event, argument: local if frame.f_code.co_filename.startswith(HOME) else None,
    )


def child(folder, files, lines):
    """Do the work in a fork; return how it ended, and how many lines are left of those allowed."""
    folder.mkdir()
    number = os.fork()
    if number == 0:
        left, tracer = traced(lines)
        sys.settrace(tracer)
        work(folder, files)
        sys.settrace(None)
        (folder / "lines").write_text(str(lines - left[0]))
        os._exit(0)
    return os.WTERMSIG(os.waitpid(number, 0)[1])


if __name__ == "__main__":
    root, files = Path(sys.argv[1]), Path(sys.argv[1]) / "files"
    if len(sys.argv) == 2:
        child(root / "whole", files, -1)
        sys.stdout.write((root / "whole" / "lines").read_text() + "\n")
    for line in sys.argv[2:]:
        ended = "killed" if child(root / line, files, int(line)) else "ended"
        sys.stdout.write(ended + "\n")
