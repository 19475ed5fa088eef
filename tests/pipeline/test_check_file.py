"""Answers are read as spreadsheets of any country save them."""

import numpy as np
import pandas as pd
import pytest

from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings
from chaffinch.pipeline.check_file import read_check_file

CLASSES = np.array(["Brot", "Käse", "Wurst "], dtype=object)
ROWS = [
    ("id", "note", "right_label"),
    ("a", "grün, 1", "Käse "),
    ("b", "", "Wurst "),
    ("c", "", ""),
]


@pytest.fixture(scope="module")
def findings():
    return Findings(pd.DataFrame({"id": ["a", "b", "c"], "given_label": CLASSES}), CLASSES, 0.0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_encodings_and_separators_are_found_out(findings, tmp_path, encoding, separator):
    cells = [[f'"{cell}"' if separator in cell else cell for cell in row] for row in ROWS]
    file = tmp_path / "answers.csv"
    file.write_bytes("\r\n".join(map(separator.join, cells)).encode(encoding))
    found = read_check_file(file, findings)
    assert found[["id", "label"]].to_numpy().tolist() == [["a", "Käse"], ["b", "Wurst "]]


def test_what_cannot_be_read_says_what_to_do(findings, tmp_path):
    file = tmp_path / "answers.csv"
    with pytest.raises(InputError, match=r"No such file.*Check the path"):
        read_check_file(file, findings)
    file.write_bytes("id,right_label\na,Сыр\nb,Хлеб\nc,Колбаса".encode("cp1251"))
    with pytest.raises(InputError, match=r"text in UTF-8.*Save it as UTF-8"):
        read_check_file(file, findings)


def test_rows_with_more_cells_than_columns_are_named(findings, tmp_path):
    (tmp_path / "answers.csv").write_text("id,right_label\na\nb,Brot, sicher\nc,Brot\n")
    with pytest.raises(InputError, match=r"more in 1 row \(line 3 has 3 cells\)"):
        read_check_file(tmp_path / "answers.csv", findings)


def test_a_label_written_otherwise_is_asked_about(findings, tmp_path):
    (tmp_path / "answers.csv").write_text("id,right_label\nb,brot\n")
    with pytest.raises(InputError, match=r"such as 'brot'\. Did you mean 'Brot'\?"):
        findings.calibrate(read_check_file(tmp_path / "answers.csv", findings))
