"""Fail where the judging code is covered below a floor, by lines and branches together.

    python tests/coverage_floor.py .coverage.json

reads the report that ``pytest --cov --cov-report=json:.coverage.json`` writes.
"""

import json
import sys
from pathlib import Path

FLOOR = 95.0
JUDGING = ("chaffinch/scorers/", "chaffinch/diagnosis/")


def coverage_of(files: dict[str, dict], package: str) -> float | None:
    """Percentage of the lines and branches of a package that ran; None if it has none."""
    done = total = 0
    for path, report in files.items():
        if package in Path(path).as_posix():
            summary = report["summary"]
            done += summary["covered_lines"] + summary["covered_branches"]
            total += summary["num_statements"] + summary["num_branches"]
    return 100 * done / total if total else None


def main(arguments: list[str]) -> int:
    """Print a line for each package and return the exit status."""
    if len(arguments) != 1 or not Path(arguments[0]).is_file():
        sys.stderr.write("usage: coverage_floor.py REPORT.json (from pytest --cov-report=json)\n")
        return 2
    files = json.loads(Path(arguments[0]).read_text("utf-8"))["files"]
    status = 0
    for package in JUDGING:
        covered = coverage_of(files, package)
        name = package.strip("/")
        if covered is None:
            sys.stderr.write(f"{name}: not in the report; measure it with --cov\n")
            status = 1
        elif covered < FLOOR:
            sys.stderr.write(f"{name}: {covered:.1f} % covered, below the floor of {FLOOR:.0f} %\n")
            status = 1
        else:
            sys.stdout.write(f"{name}: {covered:.1f} % covered (floor {FLOOR:.0f} %)\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
