"""A mistyped path is answered before anything slow is imported."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from typer.models import ArgumentInfo

from chaffinch.cli.app import app

_SLOW = ("torch", "transformers", "sklearn", "scipy", "datasets", "peft", "matplotlib")

_PROGRAM = """
import contextlib, io, json, sys
from chaffinch.cli.app import main
slow, lines = json.loads(sys.argv[1])
for line in lines:
    told = io.StringIO()
    sys.argv = ["chaffinch", *line.split()]
    with contextlib.redirect_stderr(told):
        try:
            main()
        except SystemExit as stop:
            status = stop.code
    found = [name for name in slow if name in sys.modules]
    print(json.dumps([line, status, told.getvalue(), found]), flush=True)
"""

_CASES = (
    "scan data.cvs",
    "scan no/such/folder/data.csv",
    "scan data.csv --validation nowhere.csv",
    "scan data.csv --model nowhere.py:build",
    "scan data.csv --model ./nowhere",
    "scan data.csv --model folder/nowhere",
    "scan data.csv --lora nowhere",
    "scan data.csv --embedder nowhere",
    "check data.cvs",
    "report rnu",
    "explain rnu",
    "review rnu",
    "review run --data nowhere.csv",
    "calibrate rnu",
    "calibrate run --answers nowhere.csv",
    "propose rnu",
    "propose run --policy nowhere.toml",
    "apply rnu --out new.csv",
    "apply run --out new.csv --plan nowhere.json",
    "apply run --out new.csv --data nowhere.csv",
    "verify rnu",
    "verify run --plan nowhere.json",
    "verify run --data nowhere.csv",
    "verify run --validation nowhere.csv",
    "history rnu",
    "history --ledger nowhere.db",
    "diff data.cvs data.csv",
    "diff data.csv data.cvs",
    "diff data.csv data.csv --ledger nowhere.db",
    "restore 0123456789 --out new.csv --ledger nowhere.db",
    "ledger check rnu",
    "ledger log rnu",
    "ledger decisions rnu",
    "ledger disagreements rnu",
    "ledger keep data.cvs",
    "ledger check --ledger nowhere.db",
    "export rnu --to csv",
    "export run --to csv --data nowhere.csv",
    "import rnu plan.csv --from csv",
    "import run nowhere.csv --from csv",
    "import run data.csv --from csv --names nowhere.json",
    "consensus answers.cvs",
    "consensus data.csv --features nowhere.csv",
    "datasheet rnu",
    "datasheet run --about nowhere.toml",
    "attribute data.cvs --query data.csv",
    "attribute data.csv --query nowhere.csv",
    "attribute data.csv --query data.csv --model ./nowhere",
    "attribute data.csv --query data.csv --model nowhere.gguf",
    "attribute data.csv --query data.csv --model folder --lora nowhere",
)

_READ_NOTHING = {"demo", "scorers", "estimators"}
_WRITTEN = {"out", "cache"}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Exit status, message and slow imports after each line, all in one process."""
    place = tmp_path_factory.mktemp("mistyped")
    (place / "data.csv").write_text("a,label\n1,x\n")
    (place / "run").mkdir()
    (place / "folder").mkdir()
    made = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps([_SLOW, _CASES])],
        cwd=place,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    return {line: told for line, *told in map(json.loads, made.stdout.splitlines())}


@pytest.mark.parametrize("line", _CASES)
def test_a_mistyped_path_is_answered_before_slow_imports(line, answers):
    status, message, slow = answers[line]
    assert status == 2
    assert message.startswith("chaffinch: Expected")
    assert len(message.splitlines()) == 1
    wrong = re.findall(r"\S*(?:nowhere|rnu|\.cvs|no/such)[^\s:]*", line)
    assert any(word in message for word in wrong)
    assert not slow, "or in a line before it"


def test_every_command_that_reads_a_path_is_asked():
    commands = {one.name: one.callback for one in app.registered_commands}
    asked = {line.split()[0] for line in _CASES}
    assert asked == set(commands) - _READ_NOTHING - {"bench"}
    for name, command in commands.items():
        lines = [line for line in _CASES if line.split()[0] == name]
        for option, kind in get_type_hints(command).items():
            if Path not in (kind, *get_args(kind)) or option in _WRITTEN:
                continue
            required = command.__annotations__[option]
            is_argument = isinstance(required.__metadata__[0], ArgumentInfo)
            assert is_argument or any(f"--{option}" in line for line in lines), (name, option)
