import json

import pytest
from typer.testing import CliRunner

from chaffinch.cli.app import app
from chaffinch.core.errors import InputError
from chaffinch.report.answers import Answer, Answers, Influencer, render, shade, show

FOUND = Answers(
    "datainf",
    {"model": "<b>tiny</b>"},
    (
        Answer(
            "q1",
            "what <script>?",
            "this",
            (Influencer("a", 2.0, "[bold]asked[/bold]", "told", (("0.q", 1.5),), (("to", -1.0),)),),
            (Influencer("b", -1.0, "other", "x" * 200),),
        ),
    ),
)


def test_json_lines_and_a_table(monkeypatch, tmp_path):
    asked = []

    def attribute_prompts(*args, **options):
        asked.append((args, options))
        return FOUND

    monkeypatch.setattr("chaffinch.pipeline.attribute.attribute_prompts", attribute_prompts)
    monkeypatch.chdir(tmp_path)
    for name in ("a.b.jsonl", "q.csv", "l"):
        (tmp_path / name).touch()
    words = ["attribute", "a.b.jsonl", "--model", "m", "--query", "q.csv", "--lora", "l"]
    done = CliRunner().invoke(app, [*words, "--json", "--sketch", "0"])
    assert json.loads(done.stdout) == json.loads(json.dumps(FOUND.lines()[0]))
    args, options = asked[0]
    assert (*map(str, args),) == ("a.b.jsonl", "q.csv", "m", "a.attribution")
    assert (options["lora"], options["sketch"], options["estimator"]) == ("l", 0, "datainf")
    assert options["blocks"] is None
    CliRunner().invoke(app, [*words, "--estimator", "rep_cos", "--blocks", "*.1?"])
    assert (asked[1][1]["estimator"], asked[1][1]["blocks"]) == ("rep_cos", "*.1?")
    shown = CliRunner().invoke(app, words).stdout
    assert "[bold]asked" in shown
    assert "+2" in shown
    assert "-1" in shown
    assert "answers.html" in shown


def test_training_data_need_a_model(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("data.jsonl", "q.csv"):
        (tmp_path / name).touch()
    done = CliRunner().invoke(app, ["attribute", "data.jsonl", "--query", "q.csv"])
    assert isinstance(done.exception, InputError)
    assert "--model" in str(done.exception)


def test_the_page_escapes_what_comes_from_data():
    page = render(FOUND)
    assert "<script>" not in page
    assert "what &lt;script&gt;?" in page
    assert "&lt;b&gt;tiny" in page
    assert "rgba(198,40,40,1.00)" in page


def test_values_that_tell_alikeness_only_are_not_called_help():
    page = render(Answers("rep_cos", {}, FOUND.answers, signed=False))
    assert "Most alike" in page
    assert "alikeness" in page
    assert "shaped" not in page
    assert "Hurt most" not in page
    assert "training on the sample made the response more likely.</p>" in page
    assert "It does not tell" in page
    assert "It does not tell" not in render(FOUND)


def test_shades():
    assert shade((("a", 2.0), ("b", -1.0))) == [
        ("a", "rgba(46,125,50,1.00)"),
        ("b", "rgba(198,40,40,0.50)"),
    ]
    assert shade((("a", 0.0),))[0][1].endswith("0.00)")


def test_what_a_value_is_called(capsys):
    from rich.console import Console

    show(FOUND, Console())
    assert "influence" in capsys.readouterr().out
    show(Answers("rep_cos", {}, FOUND.answers, signed=False), Console())
    assert "alikeness" in capsys.readouterr().out


def test_empty_answers_print_nothing(capsys):
    from rich.console import Console

    show(Answers("datainf"), Console())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("count", [1, 3])
def test_as_many_rows_as_asked(count, capsys):
    from rich.console import Console

    show(FOUND, Console(width=120), count)
    assert "..." in capsys.readouterr().out
