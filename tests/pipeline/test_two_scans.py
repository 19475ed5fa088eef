"""Two scans at one place: one works, the other is refused at once, and no run is mixed."""

import os
import subprocess
import sys

import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.core.errors import RunError
from chaffinch.store.lock import alone
from chaffinch.store.run import RunFolder, partial_folder

QUICK = {"epochs": 1, "folds": 2, "fold_epochs": 1, "scorers": ["aum"], "canaries": False}

WORKER = """
import sys
import chaffinch as cf
from chaffinch.core.errors import RunError
print("ready", flush=True)
for line in sys.stdin:
    data, out = line.rstrip("\\n").split("\\t")
    try:
        cf.scan(data, out=out, overwrite=True, %s)
        print("done", flush=True)
    except RunError as error:
        print("refused" if "another process" in str(error) else f"wrong {error}", flush=True)
"""


def test_a_second_scan_is_refused_at_once(csv, tmp_path):
    out = tmp_path / "run"
    cf.scan(csv, out=out, **QUICK)
    before = (out / "run.json").read_bytes()
    with alone(out):
        for options in ({}, {"overwrite": True}, {"seed": 1, "overwrite": True}):
            with pytest.raises(RunError, match="run to itself for a scan"):
                cf.scan(csv, out=out, **QUICK, **options)
    assert (out / "run.json").read_bytes() == before
    assert not partial_folder(out).exists()


@pytest.mark.parametrize(
    "rounds", [1, pytest.param(20, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_two_processes_never_mix_a_run(table, tmp_path, rounds):
    places = []
    for size in (120, 150):
        places.append(tmp_path / f"{size}.csv")
        table.iloc[:size].to_csv(places[-1], index=False)
    words = [sys.executable, "-c", WORKER % ", ".join(f"{k}={v!r}" for k, v in QUICK.items())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CHAFFINCH_LEDGER": "none"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(words, env=environment, **pipes) for _ in places]
    try:
        assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 2
        for _ in range(rounds):
            for worker, place in zip(workers, places, strict=True):
                worker.stdin.write(f"{place}\t{tmp_path / 'run'}\n")
                worker.stdin.flush()
            told = [worker.stdout.readline().strip() for worker in workers]
            assert "done" in told
            assert set(told) <= {"done", "refused"}
            check_whole(tmp_path / "run", told)
    finally:
        for worker in workers:
            worker.communicate(timeout=60)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["120.csv", "150.csv", "run"]


def check_whole(out, told):
    """Everything in the folder is of the same one of the two scans."""
    run = RunFolder(out)
    size = run.record.data.samples
    if told.count("done") == 1:
        assert size == (120, 150)[told.index("done")]
    assert len(run.findings) == size
    assert len(pd.read_parquet(out / "evidence" / "samples.parquet")) == size
    assert f'"{run.record.data.fingerprint}"' in (out / "plan.json").read_text()
