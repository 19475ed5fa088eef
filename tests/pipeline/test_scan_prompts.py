import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import text_model_case as case
import torch
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

import chaffinch as cf
from chaffinch.cli.app import app
from chaffinch.core.errors import InputError, RunError
from chaffinch.models.language import IGNORED, add_lora, load_language_model
from chaffinch.models.language.fit import ResponseFit
from chaffinch.pipeline import prompts as module
from chaffinch.pipeline.prompt_losses import strangers
from chaffinch.store.run import RunFolder

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    """A Llama that knows which number belongs to which colour."""
    folder = tmp_path_factory.mktemp("causal")
    case.make_causal().save_pretrained(folder)
    case.save_tokenizer(folder)
    loaded = load_language_model(folder)
    optimizer = torch.optim.Adam(loaded.model.parameters(), 1e-2)
    random = np.random.default_rng(1)
    for _ in range(120):
        inputs, labels = loaded.pairs(*zip(*(case.pair(random) for _ in range(32)), strict=True))
        index = torch.arange(32)
        loss = loaded.loss(loaded.model(**inputs.batch(index)), labels.batch(index)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    loaded.model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def asked():
    """120 prompts with responses, of which 12 are wrong, and which."""
    random = np.random.default_rng(0)
    table = pd.DataFrame([case.pair(random) for _ in range(120)], columns=["prompt", "response"])
    wrong = np.zeros(len(table), dtype=bool)
    wrong[random.choice(len(table), 12, replace=False)] = True
    place = [case.NUMBERS.index(one) for one in table["response"]]
    others = [case.NUMBERS[(one + 1) % 4] for one in place]
    return table.assign(response=np.where(wrong, others, table["response"])), wrong


@pytest.fixture
def jsonl(asked, tmp_path):
    path = tmp_path / "prompts.jsonl"
    asked[0].to_json(path, orient="records", lines=True)
    return path


def test_losses_are_those_of_each_response_alone_in_float64(causal):
    prompts, responses = ["tell me red", "what goes with green please", ""], ["one", "", "two one"]
    loaded = load_language_model(causal, length=6)
    fit = ResponseFit.of(loaded, prompts, responses)
    rows, others = [0, 1, 2], [1, 2, 0]
    found = [fit.losses(rows, rows), fit.losses(rows, None), fit.losses(rows, others)]
    twin, known, end = loaded.model.double(), case.WORDS.index, case.WORDS.index("[END]")
    for context, losses in zip((rows, None, others), found, strict=True):
        for row in rows:
            reply = [*map(known, responses[row].split())]
            before = [end] if context is None else [*map(known, prompts[context[row]].split())]
            before = before[max(0, len(before) + len(reply) - 6) :] or [end]
            with torch.no_grad():
                logits = twin(input_ids=torch.tensor([before + reply])).logits[0]
            told = logits.log_softmax(1)[len(before) - 1 : -1]
            total = sum(float(told[place, token]) for place, token in enumerate(reply))
            slow = -total / max(1, len(reply))
            assert losses[row] == pytest.approx(slow, abs=1e-4)


def test_only_what_is_missing_is_computed(causal):
    responses = ["one", "two", "one", "two", ""]
    fit = ResponseFit.of(load_language_model(causal), ["tell me red"] * 5, responses)
    losses, counts = np.full(5, np.nan, dtype=np.float32), []
    losses[1] = 77
    fit.fill(losses, None, 2, counts.append)
    assert counts == [1, 2, 2]
    assert losses[1] == 77
    np.testing.assert_allclose(losses[[0, 2, 3, 4]], fit.losses([0, 2, 3, 4], None), atol=1e-5)


def test_responses_that_do_not_follow_rank_first(asked, causal, jsonl, tmp_path):
    out = tmp_path / "run"
    tests = pd.DataFrame([asked[0].iloc[int(np.flatnonzero(~asked[1])[0])]])
    findings = cf.scan(jsonl, model=causal, validation=tests, out=out)
    table, wrong = findings.table, asked[1]
    assert roc_auc_score(wrong, table["prompt_misfit"]) > 0.95
    assert table["flagged"][wrong].mean() > 0.9
    leaked = table["why"].str.contains("that of the test sample")
    assert leaked.any()
    assert not (table["flagged"] & ~wrong & ~leaked).any()
    record = RunFolder(out).record
    assert record.data.samples == 120
    assert record.data.validation_samples == 1
    assert record.origin.path == str(jsonl)
    assert record.judgement.notes == list(findings.notes)
    page = (out / "report.html").read_text("utf-8")
    assert "LlamaForCausalLM" in page
    assert "Wrong response" in page
    for of_labels in (
        "Which classes are taken for which",
        "Given → suggested",
        "Suggested label",
        "Accuracy of the model",
        "chaffinch verify",
        "no other label suggested",
    ):
        assert of_labels not in page
    pd.testing.assert_frame_equal(RunFolder(out).findings, table)


def test_adapters_change_what_the_model_says(causal, jsonl, tmp_path):
    pytest.importorskip("peft")
    adapted = add_lora(load_language_model(causal), ["q_proj", "v_proj"], rank=2)
    with torch.no_grad():
        for name, weight in adapted.model.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.5)
    adapted.model.save_pretrained(tmp_path / "adapters")
    plain = cf.scan(jsonl, model=causal).table
    found = cf.scan(jsonl, model=causal, lora=tmp_path / "adapters").table
    inputs, labels = adapted.pairs(["tell me red"], ["one"])
    assert np.abs(plain["response_loss"] - found["response_loss"]).max() > 0.01
    table = pd.DataFrame({"prompt": ["tell me red"], "response": ["one"]})
    one = cf.scan(table, model=str(causal), lora=str(tmp_path / "adapters")).table
    labels.rows[0][-1] = IGNORED  # the token that ends a text is no part of the response
    index = torch.arange(1)
    with torch.no_grad():
        expected = adapted.loss(adapted.model(**inputs.batch(index)), labels.batch(index))
    assert one["response_loss"][0] == pytest.approx(float(expected), abs=1e-4)


def test_the_command_needs_no_model_and_the_report_is_written_again(jsonl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["scan", "prompts.jsonl"], catch_exceptions=False)
    assert shown.exit_code == 0
    assert "none (texts alone)" in shown.output
    assert "suggested" not in shown.output
    assert "kind" in shown.output
    (tmp_path / "prompts.chaffinch" / "report.html").unlink()
    again = CliRunner().invoke(app, ["report", "prompts.chaffinch"], catch_exceptions=False)
    assert again.exit_code == 0
    assert (tmp_path / "prompts.chaffinch" / "report.html").is_file()


def test_columns_of_other_names_and_other_forms_of_data(asked, jsonl):
    table = asked[0]
    named = table.rename(columns={"prompt": "ask", "response": "say"})
    expected = cf.scan(jsonl).table
    assert expected["source"].iloc[3] == "prompts.jsonl:3"
    expected = expected.assign(source="")
    for data, columns in (
        (named, {"prompt": "ask", "response": "say"}),
        (pa.Table.from_pandas(table), {}),
    ):
        pd.testing.assert_frame_equal(cf.scan(data, **columns).table, expected)


def test_a_finished_run_is_not_done_again_and_an_interrupted_one_goes_on(
    causal, jsonl, tmp_path, monkeypatch
):
    out, whole, read = tmp_path / "run", cf.scan(jsonl, model=causal), []
    losses = ResponseFit.losses

    def stop(self, rows, prompts):
        read.append(len(rows))
        if len(read) == 10:
            raise KeyboardInterrupt
        return losses(self, rows, prompts)

    with monkeypatch.context() as patch:
        patch.setattr(ResponseFit, "losses", stop)
        with pytest.raises(KeyboardInterrupt):
            cf.scan(jsonl, model=causal, out=out)
    assert not out.exists()
    before = sum(read[:-1])
    read.clear()
    with monkeypatch.context() as patch:
        patch.setattr(ResponseFit, "losses", lambda *a: read.append(len(a[1])) or losses(*a))
        found = cf.scan(jsonl, model=causal, out=out)
        assert sum(read) == 3 * 120 - before
        read.clear()
        again = cf.scan(jsonl, model=causal, out=out)
        assert not read
    pd.testing.assert_frame_equal(found.table, again.table)
    np.testing.assert_allclose(found.table["suspicion"], whole.table["suspicion"], atol=1e-6)
    with pytest.raises(RunError, match="other options"):
        cf.scan(jsonl, out=out)


def test_a_run_is_written_into_its_ledger_once(asked, tmp_path):
    table = asked[0].assign(key=[f"p{row}" for row in range(len(asked[0]))])
    table.loc[0, "response"] = ""
    table.to_csv(tmp_path / "prompts.csv", index=False)
    place = str(tmp_path / "ledger.db")
    options = {"id_column": "key", "ledger": place, "out": tmp_path / "run"}
    for _ in range(2):
        found = cf.scan(tmp_path / "prompts.csv", **options)
    ledger = cf.Ledger(place)
    (run,), (version,) = (ledger.table(name).to_dict("records") for name in ("run", "version"))
    assert run["location"] == version["location"] == str(tmp_path / "prompts.csv")
    assert run["samples"] == version["samples"] == 120
    assert run["fingerprint"] == RunFolder(tmp_path / "run").record.data.fingerprint
    told = ledger.table("finding").set_index("sample")["suspicion"]
    assert told["p0"] == 1
    assert set(told.index) == set(found.table.loc[found.table["kind"] != "clean", "id"])
    table.loc[0, "response"] = "one"
    cf.scan(table, **{**options, "out": tmp_path / "other"})
    assert len(ledger.table("run")) == 2
    assert ledger.table("version")["id"].nunique() == 2


def test_no_ledger_where_none_is_wanted(jsonl, tmp_path):
    cf.scan(jsonl, ledger="none", out=tmp_path / "a" / "run")
    assert sorted(os.listdir(tmp_path / "a")) == ["run"]
    with pytest.raises(InputError, match="a ledger as the path of a file or as postgresql"):
        cf.scan(jsonl, ledger="nothing://here", out=tmp_path / "b" / "run")
    assert not (tmp_path / "b").exists()


def test_everyone_gets_the_prompt_of_another():
    prompts = tuple("abcdeafgha")
    other = strangers(prompts, seed=0)
    assert all(prompts[one] != prompts[place] for place, one in enumerate(other))
    assert sorted(strangers(("a", "a"), seed=0))[0] >= 0  # there is no other prompt
    assert other == strangers(prompts, seed=0)


def test_a_model_without_finite_losses(causal, jsonl, tmp_path):
    loaded = load_language_model(causal)
    with torch.no_grad():
        next(loaded.model.parameters()).fill_(torch.nan)
    loaded.model.save_pretrained(tmp_path / "broken")
    case.save_tokenizer(tmp_path / "broken")
    with pytest.raises(InputError, match="a model whose losses are finite; got 360 that are not"):
        cf.scan(jsonl, model=tmp_path / "broken", out=tmp_path / "run")
    assert not (tmp_path / "run.partial").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 3, "folds": 2}, "got epochs, folds"),
        ({"lora": "adapters"}, "--model, the model that the adapters belong to"),
        ({"chat_template": "none"}, "--model, the model that reads by the template"),
        ({"model": torch.nn.Linear(1, 1)}, "the folder of a causal model.*got Linear"),
        ({"model": "encoder"}, r"a causal model.*got an encoder \(bert\)"),
        ({"prompt": "ask"}, "a prompt column named 'ask'"),
    ],
    ids=["training", "lora", "template", "module", "encoder", "column"],
)
def test_requests_that_make_no_sense(jsonl, tmp_path, options, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case.save_encoder(tmp_path / "encoder")
    with pytest.raises(InputError, match=message):
        cf.scan(jsonl, **options)
    assert sorted(os.listdir(tmp_path)) == ["encoder", "prompts.jsonl"]


def test_labelled_prompts_are_a_classification(asked):
    labelled = asked[0].assign(label=asked[0]["response"])
    assert not module.holds_prompts(labelled)
    assert module.holds_prompts(asked[0])
    assert not module.holds_prompts(asked[0].assign(answer="a"))
    for other in ({"prompt": [1]}, (1, 2)):
        assert not module.holds_prompts(other)
    with pytest.raises(InputError, match="a label column"):
        cf.scan(asked[0].rename(columns={"response": "reply"}))


def test_what_comes_after_a_scan_needs_labels(asked, tmp_path):
    run, new = tmp_path / "run", tmp_path / "new"
    table = asked[0].copy()
    table.loc[0, "response"] = ""  # so that a sample is flagged
    cf.scan(table, out=run)
    for command in (
        ["propose", run],
        ["apply", run, "--out", new],
        ["verify", run],
        ["datasheet", run],
        ["explain", run],
        ["export", run, "--to", "label-studio", "--out", new],
        ["review", run, "--no-browser"],
    ):
        told = CliRunner().invoke(app, [str(word) for word in command])
        assert "labelled samples; got one on prompts and responses" in str(told.exception)
    assert not new.exists()
