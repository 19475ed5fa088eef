"""A mistyped path is answered before anything slow is imported."""

import subprocess
import sys

import pytest

_LIMIT = 1.5
"""Seconds of CPU time, where 0.4 are enough on an idle machine."""

_PROGRAM = """
import sys, time
from chaffinch.cli.app import main
sys.argv = ["chaffinch", *sys.argv[1:]]
try:
    main()
except SystemExit as stop:
    slow = [name for name in ("torch", "sklearn", "scipy", "pandas") if name in sys.modules]
    print(stop.code, time.process_time(), *slow)
"""


@pytest.mark.parametrize(
    "words",
    [
        ("scan", "data.cvs"),
        ("scan", "no/such/folder/data.csv"),
        ("scan", "data.csv", "--validation", "nowhere.csv"),
        ("report", "rnu"),
        ("explain", "rnu"),
        ("review", "rnu"),
        ("calibrate", "rnu"),
        ("propose", "rnu"),
        ("apply", "rnu", "--out", "new.csv"),
        ("verify", "rnu"),
        ("export", "rnu", "--to", "csv"),
        ("datasheet", "rnu"),
    ],
    ids=" ".join,
)
def test_a_mistyped_path_is_answered_at_once(words, tmp_path):
    (tmp_path / "data.csv").write_text("a,label\n1,x\n")
    (tmp_path / "run").mkdir()
    made = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *words], cwd=tmp_path, capture_output=True, text=True
    )
    status, seconds, *slow = made.stdout.split()
    assert status == "2", made
    assert made.stderr.startswith("chaffinch: Expected")
    assert float(seconds) < _LIMIT, slow
