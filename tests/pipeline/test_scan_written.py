"""A run on an export of a spreadsheet: what was interpreted is told, and kept by later commands."""

import numpy as np
import pytest

import chaffinch as cf
from chaffinch.pipeline.repairing import apply_run, plan_of
from chaffinch.store.run import RunFolder

ROWS = 60


@pytest.fixture
def export(tmp_path):
    random = np.random.default_rng(0)
    lines = ["nr;datum;größe;label\r\n"]
    for n in range(ROWS):
        size = f"{random.normal() + 4 * (n % 2):.3f}".replace(".", ",")
        name = "groß" if n % 2 else ("klein", "Klein")[n % 10 == 0]
        lines.append(f"{n + 1};{n % 28 + 1:02}.{n % 12 + 1:02}.2024;{size};{name}\r\n")
    path = tmp_path / "export.csv"
    path.write_bytes("".join(lines).encode("cp1252"))
    return path


def test_what_was_interpreted_is_told_and_kept(export, tmp_path):
    said = {"sep": ";", "decimal": ",", "encoding": "cp1252"}
    run = tmp_path / "run"
    found = cf.scan(export, epochs=1, folds=2, canaries=False, out=run, ledger="none", **said)
    told = " ".join(found.notes)
    for words in ("--id nr", "'datum' was read as dates (day, month, year)", "differ only in how"):
        assert words in told
    folder = RunFolder(run)
    assert folder.record.judgement.notes == list(found.notes)
    assert folder.record.configuration["encoding"] == "cp1252"
    out = apply_run(folder, plan_of(folder, None), tmp_path / "clean.csv", ledger="none")
    kept = out.read_bytes().decode("cp1252").splitlines(keepends=True)
    assert set(kept[0]) == set("nr;datum;größe;label\r\n")
    cells = {line.rsplit(";", 1)[0] for line in export.read_bytes().decode("cp1252").splitlines()}
    assert {line.rsplit(";", 1)[0] for line in kept} <= cells
    # Without a word it is the same, with more notes.
    guessed = cf.scan(export, epochs=1, folds=2, canaries=False)
    assert np.allclose(guessed.table["suspicion"], found.table["suspicion"])
    assert "Windows-1252" in " ".join(guessed.notes)
