import json

import pytest
from typer.testing import CliRunner

import chaffinch as cf
from chaffinch.cli.app import app
from chaffinch.core.errors import InputError, RunError
from chaffinch.store.run import EXPLANATIONS, RunFolder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(3)
    truth = np.arange(180) % 3
    given = truth.copy()
    given[:12] = (truth[:12] + 1) % 3
    frame = pd.DataFrame(random.normal(size=(180, 4)) + 5 * np.eye(4)[truth], columns=list("abcd"))
    frame["label"] = np.array(["ant", "[b]bee", "cow"])[given]
    frame["key"] = [f"k{n}" for n in range(180)]
    out = tmp_path_factory.mktemp("explained") / "run"
    findings = cf.scan(
        frame, "label", id_column="key", out=out, folds=2, epochs=6, batch_size=16, ledger="none"
    )
    return out, findings


def test_the_run_keeps_why_each_sample_was_flagged(run):
    out, findings = run
    kept = RunFolder(out).explanations
    flagged = findings.flagged
    assert flagged["id"].isin([f"k{n}" for n in range(12)]).mean() > 0.8
    assert [one.id for one in kept[: len(flagged)]] == flagged["id"].tolist()
    assert [one.why for one in kept[: len(flagged)]] == flagged["why"].tolist()
    assert kept == cf.explain(out)
    assert (flagged["stability"].dropna() > 0).all()


def test_one_sample_or_several_flagged_or_not(run):
    out, findings = run
    clean = findings.ranked["id"].iloc[-1]
    (one,) = cf.explain(str(out), clean)
    assert (one.id, one.kind) == (clean, findings.table.set_index("id")["kind"][clean])
    assert one.why
    assert [each.id for each in cf.explain(RunFolder(out), ["k5", clean])] == ["k5", clean]


def test_findings_without_a_run_are_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"a run, which keeps the evidence; got findings"):
        cf.explain(run[1].findings)
    with pytest.raises(RunError, match="finished run"):
        cf.explain(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"an id of the findings.*'nobody'"):
        cf.explain(run[0], "nobody")


def test_the_command_tells_it(run):
    out, findings = run
    told = CliRunner().invoke(app, ["explain", str(out), "k4"])
    assert told.exit_code == 0
    text = " ".join(told.stdout.split())
    row = findings.table.set_index("id").loc["k4"]
    assert text.startswith(f"k4 row 4 given {row['given_label']} kind {row['kind']} suspicion")
    assert cf.explain(out, "k4")[0].why in text
    assert "[b]bee" in text  # a label is no markup
    assert "opponents" in text


def test_by_default_the_command_tells_the_five_worst(run):
    out, _ = run
    text = CliRunner().invoke(app, ["explain", str(out)]).stdout
    ids = [one.id for one in RunFolder(out).explanations]
    assert [one for one in ids if f"{one}  row" in text] == ids[:5]
    assert f"{len(ids) - 5} more explanations" in text


def test_the_file_is_plain_json(run):
    items = json.loads((run[0] / EXPLANATIONS).read_text("utf-8"))
    assert [one["id"] for one in items] == [one.id for one in RunFolder(run[0]).explanations]
    assert set(items[0]) >= {"why", "firing", "helpers", "opponents", "neighbours", "loss"}
