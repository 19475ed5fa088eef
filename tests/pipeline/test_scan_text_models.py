import numpy as np
import pandas as pd
import pytest
import text_model_case as case
import torch
from sklearn.metrics import roc_auc_score

import chaffinch as cf
from chaffinch.core.errors import InputError, RunError
from chaffinch.models.inputs import DenseInputs
from chaffinch.models.language.classification import ABSENT, TextClassifier
from chaffinch.pipeline import work
from chaffinch.pipeline.options import ScanOptions
from chaffinch.pipeline.verification.slots import Slots
from chaffinch.store.run import RunFolder

pytest.importorskip("transformers")
QUICK = {"text_column": "text", "epochs": 3, "folds": 2, "learning_rate": 0.02, "ledger": "none"}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return case.save_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def texts():
    return case.reviews()


def test_a_folder_is_fine_tuned_and_finds_wrong_labels(texts, encoder, tmp_path):
    table, errors = texts
    out = tmp_path / "run"
    held = case.reviews(30, 0, seed=1)[0]
    findings = cf.scan(table, model=encoder, validation=held, out=out, **QUICK)
    assert roc_auc_score(errors, findings.table["suspicion"]) > 0.9
    # Influence on the head, and neighbours in the encoder's space, as with any model.
    for name in ("self_influence", "gradient_l2", "knn_disagreement", "validation_influence"):
        assert roc_auc_score(errors, findings.table[name]) > 0.6
    record = RunFolder(out).record
    assert record.model.name == TextClassifier.__name__
    assert record.origin.model == str(encoder)
    assert record.model.held_out_accuracy[-1] > 0.6
    assert "No canaries" in findings.notes[0]
    assert "TextClassifier" in (out / "report.html").read_text("utf-8")


def test_long_texts_are_cut_and_defaults_are_those_of_fine_tuning(texts, encoder, tmp_path):
    options = {"text_column": "text", "epochs": 1, "ledger": "none", "out": tmp_path / "run"}
    findings = cf.scan(texts[0], model=str(encoder), length=4, **options)
    assert "96 texts were cut at 4 tokens (--length)." in findings.notes
    found = RunFolder(tmp_path / "run").record.configuration
    assert (found["learning_rate"], found["folds"], found["batch_size"]) == (1e-4, 3, 16)


def test_the_same_folder_is_the_same_run_and_another_is_not(texts, encoder, tmp_path, monkeypatch):
    table, out = texts[0], tmp_path / "run"
    quick = {**QUICK, "epochs": 1, "folds": 0}
    first = cf.scan(table, model=encoder, out=out, **quick)
    moved = case.save_encoder(tmp_path / "moved")
    with monkeypatch.context() as patch:
        patch.setattr(work, "train", lambda *_: pytest.fail("trained a second time"))
        again = cf.scan(table, model=moved, out=out, **quick)
    pd.testing.assert_frame_equal(first.table, again.table)
    other = case.save_encoder(tmp_path / "other", seed=1)
    with pytest.raises(RunError, match="another"):
        cf.scan(table, model=other, out=out, **quick)


class StopError(Exception):
    pass


def test_an_interrupted_scan_goes_on_to_the_same_findings(texts, encoder, tmp_path, monkeypatch):
    table = texts[0]
    whole = cf.scan(table, model=encoder, out=tmp_path / "whole", **QUICK)
    started = []

    def stop_in_second(task, training, on_epoch, state):
        started.append(training.name)
        if len(started) == 2:
            raise StopError
        return train(task, training, on_epoch, state)

    train = work.train
    with monkeypatch.context() as patch:
        patch.setattr(work, "train", stop_in_second)
        with pytest.raises(StopError):
            cf.scan(table, model=encoder, out=tmp_path / "run", **QUICK)
    assert (tmp_path / "run.partial" / "state" / "full.pt").is_file()
    resumed = cf.scan(table, model=encoder, out=tmp_path / "run", **QUICK)
    pd.testing.assert_frame_equal(whole.table, resumed.table)


def test_defaults_fit_fine_tuning_and_what_is_named_wins():
    tuned = ScanOptions.of().schedule("text", 10_000, False, 1e-4)
    assert (tuned.epochs, tuned.batch_size, tuned.learning_rate) == (4, 32, 1e-4)
    named = ScanOptions.of(epochs=2, batch_size=100, learning_rate=0.1)
    own = named.schedule("text", 10_000, False, 1e-4)
    assert (own.epochs, own.batch_size, own.learning_rate) == (2, 100, 0.1)
    plain = ScanOptions.of().schedule("text", 10_000, False)
    assert (plain.epochs, plain.batch_size, plain.learning_rate) == (6, 128, 3e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedder": "encoder"}, "one model for the texts"),
        ({"train": False}, "its new head would say nothing"),
        ({"model": "nowhere"}, "no such folder"),
        ({"length": 1}, "a usable value for 'length'"),
        ({"lora": "adapters", "label": "label"}, "labelled samples, or prompts and responses"),
    ],
    ids=["embedder", "untrained", "no-folder", "length", "lora"],
)
def test_requests_that_make_no_sense(texts, encoder, options, message):
    with pytest.raises(InputError, match=message):
        cf.scan(texts[0], **{"model": encoder, **QUICK, **options})


def test_data_that_are_no_texts(encoder, blobs):
    with pytest.raises(InputError, match="texts, which the model in a folder reads; got data of"):
        cf.scan((blobs[0], blobs[1]), model=encoder, ledger="none")


def test_a_causal_model_reads_no_labelled_texts(texts, tmp_path):
    case.make_causal().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"an encoder.*a causal model \(llama\)"):
        cf.scan(texts[0], model=tmp_path, **QUICK)


def test_a_plan_is_verified_with_the_model_of_the_run(texts, encoder, tmp_path):
    table = texts[0]
    findings = cf.scan(table, model=encoder, **QUICK)
    plan = cf.propose(findings)
    options = {name: QUICK[name] for name in ("text_column", "epochs", "learning_rate")}
    outcome = cf.verify(plan, table, model=encoder, seeds=2, ablate=False, control=False, **options)
    assert outcome.seeds == 2
    assert np.isfinite(outcome.difference.mean)


def test_slots_of_different_lengths_are_woven():
    class Rows:
        def __init__(self, *rows):
            self.rows = rows

        def __len__(self):
            return len(self.rows)

        def batch(self, index):
            return torch.tensor([self.rows[i] for i in index.tolist()])

    slots = Slots((Rows([1, 2], [3, 4]), Rows([5, 6, 7])), np.asarray([0, 1, 2]))
    assert slots.batch(torch.tensor([2, 0])).tolist() == [[5, 6, 7], [1, 2, ABSENT]]
    dense = Slots((DenseInputs(torch.ones(2, 3)), DenseInputs(torch.zeros(1, 3))), np.arange(3))
    assert dense.batch(torch.arange(3)).sum() == 6
