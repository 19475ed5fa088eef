"""Every command is quiet with -q and answers as JSON with --json; options are those of Python."""

import inspect
import json
from typing import get_type_hints

import pytest
import typer
from typer.testing import CliRunner

import chaffinch as cf
from chaffinch.cli.app import app
from chaffinch.pipeline.keywords import ScanKeywords
from chaffinch.pipeline.options import ScanOptions
from chaffinch.runs.scan import scan

COMMANDS = typer.main.get_command(app).commands
ANSWERS = sorted(set(COMMANDS) - {"bench"})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    place = tmp_path_factory.mktemp("output") / "run"
    held_out = 0.8 * (y[:, None] == range(3)) + 0.2 / 3
    made = cf.judge([1, *y[1:]], held_out, x, out=place)
    made.propose()
    return place


@pytest.mark.parametrize("name", ANSWERS)
def test_every_command_has_quiet_json_and_short_out(name):
    options = {one for parameter in COMMANDS[name].params for one in parameter.opts}
    assert {"-q", "--quiet", "--json"} <= options
    assert ("--out" in options) == ("-o" in options)


def test_options_are_declared_once():
    shell = {one.name: one for one in COMMANDS["scan"].params}
    assert set(ScanKeywords.__annotations__) == set(ScanOptions.model_fields)
    shown = inspect.signature(scan).parameters
    for name, field in ScanOptions.model_fields.items():
        assert shown[name].default == field.default
        if name not in ("out", "embeddings"):  # a default folder; arrays, in Python only
            assert shell[name].default in (field.default, str(field.default))
            assert f"--{name.replace('_', '-')}" in shell[name].opts
    assert get_type_hints(ScanKeywords)


def answer(*words):
    made = CliRunner().invoke(app, list(map(str, words)))
    assert made.exit_code == 0, made.output
    return made.stdout


@pytest.mark.parametrize(
    ("command", "words", "expected"),
    [
        ("report", (), {"samples": 150}),
        ("propose", (), {"copy": None}),
        ("explain", ("0",), [{"id": "0", "row": 0}]),
        ("calibrate", (), {"calibration": None}),
        ("history", (), None),
        ("scorers", None, None),
        ("estimators", None, None),
    ],
)
def test_a_command_answers_as_json_or_not_at_all(run, command, words, expected):
    given = () if words is None else (run, *words)
    told = json.loads(answer(command, *given, "--json"))
    assert told
    if isinstance(expected, dict):
        assert expected.items() <= told.items()
    elif expected:
        assert expected[0].items() <= told[0].items()
    assert answer(command, *given, "-q") == ""
    assert answer(command, *given)


def test_a_sample_is_explained_by_its_row_and_an_unknown_one_is_named(run):
    assert "0  row 0" in answer("explain", run, "0")
    made = CliRunner().invoke(app, ["explain", str(run), "150"])
    assert "a row from 0 to 149" in str(made.exception)


def test_export_takes_short_out(run, tmp_path):
    answer("export", run, "--to", "csv", "-o", tmp_path / "found.csv", "-q")
    assert (tmp_path / "found.csv").read_text().startswith("id,row,source,")
