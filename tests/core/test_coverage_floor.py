import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "coverage_floor.py"


def check(tmp_path, files):
    report = tmp_path / "report.json"
    keys = ("covered_lines", "num_statements", "covered_branches", "num_branches")
    content = {
        name: {"summary": dict(zip(keys, counts, strict=True))} for name, counts in files.items()
    }
    report.write_text(json.dumps({"files": content}))
    return run(str(report))


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )


def test_a_line_for_each_package_that_is_covered(tmp_path):
    done = check(
        tmp_path,
        {
            "src/chaffinch/scorers/a.py": (10, 10, 2, 2),
            "src/chaffinch/scorers/deep/b.py": (87, 90, 18, 18),
            "/abs/src/chaffinch/diagnosis/c.py": (19, 20, 0, 0),
            "src/chaffinch/pipeline/d.py": (0, 100, 0, 0),
        },
    )
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "chaffinch/scorers: 97.5 % covered (floor 95 %)",
        "chaffinch/diagnosis: 95.0 % covered (floor 95 %)",
    ]


@pytest.mark.parametrize("counts", [(94, 100, 0, 0), (100, 100, 0, 10)])
def test_too_few_lines_or_branches_fail(tmp_path, counts):
    done = check(
        tmp_path,
        {"src/chaffinch/scorers/a.py": counts, "src/chaffinch/diagnosis/c.py": (1, 1, 0, 0)},
    )
    assert done.returncode == 1
    assert "chaffinch/scorers: 9" in done.stderr
    assert "below the floor of 95 %" in done.stderr


def test_a_package_that_was_not_measured_fails(tmp_path):
    done = check(tmp_path, {"src/chaffinch/scorers/a.py": (1, 1, 0, 0)})
    assert done.returncode == 1
    assert "chaffinch/diagnosis: not in the report" in done.stderr


def test_a_missing_report_is_wrong_usage(tmp_path):
    assert run(str(tmp_path / "none.json")).returncode == 2
