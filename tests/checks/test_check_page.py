"""The page of the checks names every check that there is, and none that there is not."""

from pathlib import Path

import chaffinch
from chaffinch.checks import CHECKS

PAGE = Path(chaffinch.__file__).parents[2] / "docs" / "check.md"


def test_the_table_of_checks_is_that_of_the_registry():
    body = PAGE.read_text("utf-8").split("## All checks")[1].split("\n\n")[1]
    documented = {}
    for line in body.splitlines()[2:]:
        names, unit = (cell.strip() for cell in line.strip("|").split("|")[:2])
        documented |= {name.strip("` "): unit for name in names.split(",")}
    assert documented == {name: check.unit for name, check in CHECKS.items()}
