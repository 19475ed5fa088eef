"""A kill at any point leaves a store that is consistent, and work that can be done again."""

import subprocess
import sys
from pathlib import Path

import killing
import pytest

from chaffinch.core.randomness import stream
from chaffinch.store.content import Contents
from chaffinch.store.ledger import Ledger


def run(*words):
    script = str(Path(killing.__file__))
    done = subprocess.run(
        [sys.executable, script, *map(str, words)], check=True, capture_output=True, text=True
    )
    return done.stdout.split()


def write_files(root):
    random = stream(0, "files to be kept")
    for name, size in (("a/1.bin", 700_000), ("a/2.bin", 10), ("b/3.bin", 0), ("b/4.bin", 900_000)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(random.bytes(size))


def content(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*.bin")}


def check_store(folder, files):
    """Whatever an entry names is there, and what is there is whole."""
    if not (folder / "ledger.db").exists():
        return 0
    ledger = Ledger(folder / "ledger.db")
    found = ledger.check()
    assert found.fault is None, found.reason
    for version in ledger.table("version").to_dict("records"):
        assert ledger.artifacts.get(version["rows_artifact"])
        kept = Contents.from_json(ledger.artifacts.get(version["files_artifact"]))
        assert sum(len(ledger.artifacts.get(chunk)) for chunk in kept.chunks) == sum(
            part.size for part in kept.parts
        )
    if (folder / "out").exists():
        assert content(folder / "out") == content(files)
    return found.entries


@pytest.mark.parametrize(
    "points", [5, pytest.param(200, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_a_kill_at_any_point_leaves_a_consistent_store(tmp_path, points):
    files = tmp_path / "files"
    write_files(files)
    total = int(run(tmp_path)[0])
    assert check_store(tmp_path / "whole", files) == 3
    drawn = stream(0, "where to kill").choice(total, points, replace=False) + 1
    ends = run(tmp_path, *drawn)
    assert ends == ["killed"] * points
    entries = [check_store(tmp_path / str(line), files) for line in drawn]
    assert len(set(entries)) >= 3  # the kills fell everywhere
    for line, found in zip(drawn, entries, strict=True):
        folder = tmp_path / str(line)
        killing.work(folder, files)  # the same work again
        assert check_store(folder, files) == 3
        assert content(folder / "out") == content(files)
        assert found <= 3
