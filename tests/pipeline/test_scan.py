import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.special import logit
from scipy.stats import rankdata
from torch import nn

import chaffinch as cf
from chaffinch.core.errors import InputError, RunError
from chaffinch.core.findings import COLUMNS
from chaffinch.diagnosis.judgement import diagnose
from chaffinch.store import EvidenceFolder
from chaffinch.store.run import RunFolder, partial_folder

QUICK = {"epochs": 8, "folds": 2, "batch_size": 16}


def f1(flagged, errors) -> float:
    return 2 * (flagged & errors).sum() / (flagged.sum() + errors.sum())


def test_finds_flips_in_arrays_and_keeps_the_order_of_rows(blobs):
    X, labels, errors = blobs
    findings = cf.scan((X, labels), seed=1, epochs=20, batch_size=16)
    table = findings.table
    assert list(table.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert table["given_label"].to_numpy().tolist() == labels.tolist()
    assert f1(table["flagged"].to_numpy(), errors) > 0.9
    assert findings.estimated_errors == pytest.approx(errors.sum(), rel=0.25)
    assert table["suspicion"].between(0, 1).all()
    assert table["q_value"].between(0, 1).all()


def test_suggests_the_right_class_by_its_name(csv, blobs, table):
    _, _, errors = blobs
    truth = np.repeat(["ant", "bee", "cow"], 80)
    findings = cf.scan(csv, seed=1, epochs=20, batch_size=16).table
    hits = findings["flagged"].to_numpy() & errors
    assert (findings["suggested_label"].to_numpy()[hits] == truth[hits]).mean() > 0.9
    assert set(findings["given_label"]) == {"ant", "bee", "cow"}


def test_clean_data_are_left_alone(blobs):
    X, _, _ = blobs
    truth = np.repeat([0, 1, 2], 80)
    findings = cf.scan((X, truth), seed=2, epochs=20, batch_size=16)
    assert findings.table["flagged"].mean() <= 0.015


def test_same_seed_same_bytes_and_another_seed_others(csv, tmp_path):
    runs = [tmp_path / name for name in ("one", "two", "three")]
    for run, seed in zip(runs, (5, 5, 6), strict=True):
        cf.scan(csv, out=run, seed=seed, **QUICK)
    one, two, three = ((run / "findings.parquet").read_bytes() for run in runs)
    assert one == two
    assert one != three


def test_reordered_rows_keep_their_ids(table):
    shuffled = table.sample(frac=1, random_state=0)
    first = cf.scan(table, **QUICK).table
    second = cf.scan(shuffled, **QUICK).table
    assert set(first["id"]) == set(second["id"])
    order = shuffled.index.to_numpy()
    assert second["id"].tolist() == first["id"].to_numpy()[order].tolist()


def test_run_folder_holds_the_contract(csv, tmp_path):
    out = tmp_path / "run"
    findings = cf.scan(csv, out=out, seed=3, **QUICK)
    assert {p.name for p in out.iterdir()} == {
        "album.json",
        "basis.npz",
        "evidence",
        "explanations.json",
        "files.json",
        "findings.parquet",
        "gallery.json",
        "map.parquet",
        "plan.json",
        "report.html",
        "run.json",
    }
    kept = pd.read_parquet(out / "findings.parquet")
    pd.testing.assert_frame_equal(kept, findings.table, check_dtype=False)
    record = RunFolder(out).record
    assert record.data.samples == 240
    assert record.data.classes == ["ant", "bee", "cow"]
    assert record.seed == 3
    assert record.configuration["folds"] == 2
    assert record.model.epochs == 8
    assert len(record.model.held_out_accuracy) == record.configuration["fold_epochs"] == 8
    assert set(record.timings) == {"encoding", "evidence", "judging"}
    assert not partial_folder(out).exists()
    html = (out / "report.html").read_text()
    assert "partial" not in html
    assert str(kept.sort_values("suspicion").iloc[-1]["id"]) in html


def test_saved_evidence_judges_to_the_same_findings(csv, tmp_path):
    findings = cf.scan(csv, out=tmp_path / "run", **QUICK)
    from chaffinch.diagnosis.judgement import judge_evidence

    again = judge_evidence(EvidenceFolder(tmp_path / "run" / "evidence").load())
    pd.testing.assert_frame_equal(again.table, findings.table.drop(columns=["row", "source"]))


def test_repeats_are_trainings_under_other_seeds_whose_scores_are_fused(csv, tmp_path):
    out = tmp_path / "run"
    findings = cf.scan(csv, out=out, repeats=3, scorers="aum,loss_last", **QUICK)
    folders = [out / "evidence", *(out / "evidence" / f"repeat-{k}" / "evidence" for k in (1, 2))]
    evidences = [EvidenceFolder(folder).load() for folder in folders]
    logits = [one.need("logits") for one in evidences]
    assert not np.array_equal(logits[0], logits[1])
    assert not np.array_equal(logits[1], logits[2])
    for name in ("aum", "loss_last"):
        ranks = [rankdata(cf.scorers.SCORERS[name](one, 0)) for one in evidences]
        wanted = (np.mean(ranks, axis=0) - 0.5) / len(findings.table)
        np.testing.assert_allclose(findings.table[name], wanted)
    alone = np.stack([diagnose(one, trainings=3).suspicion for one in evidences])
    suspicion = findings.table["suspicion"].to_numpy()
    assert suspicion.mean() == pytest.approx(alone.mean())
    odds = logit(np.clip(alone, 1e-9, 1 - 1e-9)).mean(axis=0)
    np.testing.assert_allclose(np.sort(suspicion), suspicion[np.argsort(odds)], atol=1e-9)
    assert any("over 3 trainings" in note for note in findings.notes)
    assert not list(out.rglob("state"))
    once = cf.scan(csv, scorers="aum,loss_last", **QUICK)
    np.testing.assert_allclose(once.table["aum"], cf.scorers.SCORERS["aum"](evidences[0]))


def test_asking_again_reads_the_finished_run(csv, tmp_path, monkeypatch):
    out = tmp_path / "run"
    first = cf.scan(csv, out=out, **QUICK)
    monkeypatch.setattr("chaffinch.pipeline.scan.collect_by_training", None)
    second = cf.scan(csv, out=out, **QUICK)
    pd.testing.assert_frame_equal(first.table, second.table, check_dtype=False)
    assert second.estimated_errors == pytest.approx(first.estimated_errors, abs=1e-5)
    np.testing.assert_allclose(second.flow, first.flow, atol=1e-5)


def test_a_run_of_other_data_is_refused_and_overwritten_when_asked(csv, table, tmp_path):
    out = tmp_path / "run"
    cf.scan(csv, out=out, **QUICK)
    before = (out / "run.json").read_bytes()
    other = table.iloc[:200]
    with pytest.raises(
        RunError, match=r"run of another data set or with other options.*--overwrite"
    ):
        cf.scan(other, out=out, **QUICK)
    assert (out / "run.json").read_bytes() == before
    cf.scan(other, out=out, overwrite=True, **QUICK)
    assert RunFolder(out).record.data.samples == 200
    assert not out.with_name("run.replaced").exists()


def test_a_folder_that_is_no_run_is_never_overwritten(csv, tmp_path):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="something that is not a run"):
            cf.scan(csv, out=out, overwrite=overwrite, **QUICK)
    assert (out / "chapter.txt").read_text() == "years of work"


def test_validation_adds_accuracy_and_influence(blobs, tmp_path):
    X, labels, errors = blobs
    truth = np.repeat([0, 1, 2], 80)
    findings = cf.scan(
        (X[::2], labels[::2]),
        validation=(X[1::2], truth[1::2]),
        out=tmp_path / "run",
        epochs=20,
        batch_size=16,
    )
    record = RunFolder(tmp_path / "run").record
    assert record.data.validation_samples == 120
    assert record.model.validation_accuracy > 0.9
    harm = findings.table["validation_influence"]
    assert harm[errors[::2]].mean() > harm[~errors[::2]].mean()


def test_a_class_that_validation_lacks_is_told(blobs):
    X, labels, _ = blobs
    truth = np.repeat([0, 1, 2], 80)
    held = truth[1::2] != 0
    findings = cf.scan((X, labels), validation=(X[1::2][held], truth[1::2][held]), **QUICK)
    assert [note for note in findings.notes if "no sample of 0: samples with" in note]


def test_validation_with_an_unknown_class_is_refused(blobs):
    X, labels, _ = blobs
    with pytest.raises(InputError, match="validation labels among the training classes"):
        cf.scan((X, labels), validation=(X[:3], np.array([0, 1, 9])), **QUICK)


def test_scans_texts(tmp_path):
    random = np.random.default_rng(0)
    words = (["good", "fine", "lovely", "warm"], ["bad", "awful", "cold", "dull"])
    truth = np.arange(200) % 2
    texts = [
        f"it was a {' and '.join(random.choice(words[c], 3))} day, number {i} of the year"
        for i, c in enumerate(truth)
    ]
    labels, errors = cf.corruptions.uniform_flips(truth, 0.1, seed=1)
    frame = pd.DataFrame({"text": texts, "label": labels})
    findings = cf.scan(frame, out=tmp_path / "run", epochs=10, batch_size=16)
    assert RunFolder(tmp_path / "run").record.data.modality == "text"
    assert f1(findings.table["flagged"].to_numpy(), errors) > 0.85


def _pictures(count: int = 90):
    random = np.random.default_rng(0)
    truth = np.arange(count) % 3
    images = random.integers(0, 60, (count, 8, 8)).astype(np.uint8)
    for image, c in zip(images, truth, strict=True):
        image[:, 3 * c : 3 * c + 2] += 180
    return images, truth


def test_scans_a_folder_of_images(tmp_path):
    images, truth = _pictures()
    labels, errors = cf.corruptions.uniform_flips(truth, 0.1, seed=1)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = tmp_path / "data" / f"class-{label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:03}.png")
    (place / "notes.txt").touch()
    findings = cf.scan(tmp_path / "data", out=tmp_path / "run", epochs=12, batch_size=16, folds=3)
    assert sum("left out as no image" in note for note in findings.notes) == 1
    assert set(findings.table["given_label"]) == {"class-0", "class-1", "class-2"}
    gallery = json.loads((tmp_path / "run" / "gallery.json").read_text())
    assert gallery[0]["content"]["image"].startswith("data:image/png;base64,")
    by_number = errors[np.argsort(labels, kind="stable")]
    assert f1(findings.table["flagged"].to_numpy(), by_number) > 0.8


def test_an_unreadable_image_is_named_and_leaves_nothing_where_all_must_be_judged(tmp_path):
    images, truth = _pictures(12)
    for number, (image, label) in enumerate(zip(images, truth, strict=True)):
        place = tmp_path / "data" / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number}.png")
    (tmp_path / "data" / "0" / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"broken\.png"):
        cf.scan(tmp_path / "data", out=tmp_path / "run", strict=True, **QUICK)
    assert not (tmp_path / "run").exists()
    assert not partial_folder(tmp_path / "run").exists()


def test_scans_a_torch_dataset_with_an_own_model(blobs):
    X, labels, errors = blobs
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(labels))
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    findings = cf.scan(data, model=net, epochs=30, batch_size=16, learning_rate=1e-2)
    assert f1(findings.table["flagged"].to_numpy(), errors) > 0.9
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_model_without_a_last_linear_layer_has_no_gradient_scores(blobs):
    X, labels, _ = blobs

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x):
            return 2 * self.linear(x)

    findings = cf.scan((X, labels), model=Scaled, **QUICK)
    assert "gradient_l2" not in findings.scorers
    assert "aum" in findings.scorers


def _trained(X, labels) -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(torch.from_numpy(X)), torch.from_numpy(labels))
        loss.backward()
        optimizer.step()
    return net


def test_a_trained_model_is_scored_as_it_is(blobs, monkeypatch):
    X, labels, errors = blobs
    net = _trained(X, labels)
    monkeypatch.setattr("chaffinch.pipeline.work.train", None)
    # As a torch data set, so that the model gets the numbers that it was trained on.
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(labels))
    findings = cf.scan(data, model=net, train=False)
    expected = nn.functional.cross_entropy(
        net(torch.from_numpy(X)), torch.from_numpy(labels), reduction="none"
    )
    np.testing.assert_allclose(
        findings.table["loss_last"], expected.detach().numpy(), rtol=1e-4, atol=1e-6
    )
    assert any("trained on these very labels" in note for note in findings.notes)
    assert f1(findings.table["flagged"].to_numpy(), errors) > 0.85


def test_checkpoints_are_scored_in_numeric_order(blobs, tmp_path):
    X, labels, _ = blobs
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(labels))
    nets = [nn.Linear(4, 3) for _ in range(3)]
    for number, net in zip((2, 10, 1), nets, strict=True):
        torch.save({"state_dict": net.state_dict()}, tmp_path / f"epoch-{number}.pt")
    findings = cf.scan(
        data,
        model=lambda: nn.Linear(4, 3),
        checkpoints=str(tmp_path / "epoch-*.pt"),
        out=tmp_path / "run",
    )
    logits = EvidenceFolder(tmp_path / "run" / "evidence").load().need("logits")
    assert logits.shape[0] == 3
    for epoch, net in enumerate((nets[2], nets[0], nets[1])):
        expected = net(torch.from_numpy(X)).detach().numpy()
        np.testing.assert_allclose(logits[epoch], expected, rtol=1e-5, atol=1e-5)
    assert len(findings.table) == 240


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "usable value for 'epochs'"),
        ({"epoch": 3}, "known option; got 'epoch'"),
        ({"folds": 1}, "0 or at least 2 folds"),
        ({"folds": 601}, "at most as many folds as samples"),
        ({"device": "tpu9"}, "device that this machine has"),
        ({"scorers": ["aun"]}, "Did you mean 'aum'"),
        ({"train": False}, "model to score as it is"),
        ({"repeats": 0}, "usable value for 'repeats'"),
        ({"rounds": 0}, "for 'rounds'; got 0 .*'auto' or .*greater than or equal to 1"),
        (
            {"repeats": 2, "train": False, "model": lambda: nn.Linear(4, 3)},
            "one repetition of a model that is not trained here",
        ),
        (
            {"checkpoints": "nothing*.pt", "model": lambda: nn.Linear(4, 3)},
            "checkpoints that match",
        ),
        ({"model": lambda: nn.Linear(9, 3)}, r"batches of shape \(B, 4\)"),
        ({"model": lambda: nn.Linear(4, 2)}, r"logits of shape \(B, C\) = \(2, 3\)"),
        ({"model": lambda: 3}, "factory that returns an nn.Module"),
        ({"learning_rate": 1e30}, "training that stays finite"),
    ],
)
def test_bad_options_say_what_to_do_and_leave_nothing(blobs, tmp_path, options, words):
    X, labels, _ = blobs
    out = tmp_path / "run"
    with pytest.raises(InputError, match=words):
        cf.scan((X, labels), out=out, **{**QUICK, **options})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X, y: (X, np.zeros(240, int)), "at least two classes"),
        (lambda X, y: (X, np.arange(240)), "options that fit the task 'regression'"),
        (lambda X, y: (X * np.nan, y), "NaN|finite"),
        (lambda X, y: (X * np.inf, y), "infinite|finite"),
        (lambda X, y: (X[:0], y[:0]), "at least one"),
        (lambda X, y: (X[:-1], y), "as many"),
    ],
)
def test_bad_data_say_what_to_do_and_leave_nothing(blobs, tmp_path, change, words):
    X, labels, _ = blobs
    with pytest.raises(InputError, match=words):
        cf.scan(change(X, labels), out=tmp_path / "run", **QUICK)
    assert list(tmp_path.iterdir()) == []


def test_chosen_scorers_fill_the_columns_and_do_not_move_the_suspicion(blobs):
    X, labels, _ = blobs
    everything = cf.scan((X, labels), **QUICK)
    chosen = cf.scan((X, labels), scorers=["aum", "loss_mean"], **QUICK)
    assert chosen.scorers == ["aum", "loss_mean"]
    assert chosen.table["suspicion"].equals(everything.table["suspicion"])


def test_no_folds_is_said_in_the_notes(blobs):
    X, labels, errors = blobs
    findings = cf.scan((X, labels), epochs=20, batch_size=16, folds=0)
    assert any("trained on these very labels" in note for note in findings.notes)
    assert f1(findings.table["flagged"].to_numpy(), errors) > 0.85


def test_the_random_state_of_the_caller_is_left_alone(blobs):
    X, labels, _ = blobs
    torch.manual_seed(11)
    before = torch.get_rng_state()
    np_before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state under test
    cf.scan((X, labels), **QUICK)
    assert torch.equal(before, torch.get_rng_state())
    assert (np_before == np.random.get_state()[1]).all()  # noqa: NPY002 - the state under test


def test_an_edited_model_file_is_another_run(csv, tmp_path):
    net = tmp_path / "net.py"
    source = "from torch import nn\ndef build(num_classes): return nn.Linear(4, num_classes)\n"
    net.write_text(source)
    options = {**QUICK, "out": tmp_path / "run", "model": f"{net}:build"}
    cf.scan(csv, **options)
    cf.scan(csv, **options)
    net.write_text(source + "# changed\n")
    with pytest.raises(RunError, match="with other options"):
        cf.scan(csv, **options)


def test_validation_may_have_the_key_column_or_not(table):
    keyed = table.assign(key=[f"a rather long key, number {n}" for n in range(len(table))])
    for validation in (keyed.iloc[:60], table.iloc[:60]):
        findings = cf.scan(keyed, validation=validation, id_column="key", **QUICK)
        assert "validation_influence" in findings.scorers


def test_kept_checkpoints_serve_influence_over_epochs(blobs, tmp_path):
    X, labels, _ = blobs
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(labels))
    out = tmp_path / "run"
    build = lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))  # noqa: E731
    findings = cf.scan(data, model=build, out=out, keep_checkpoints=True, **QUICK)
    assert len(list((out / "checkpoints").iterdir())) == 8
    rates = np.load(out / "evidence" / "learning_rates.npy")
    traced = cf.self_influence(
        build(),
        data,
        "tracin",
        layers="last",
        checkpoints=str(out / "checkpoints" / "*.pt"),
        learning_rates=rates.tolist(),
    )
    np.testing.assert_allclose(traced, findings.table["self_influence"], rtol=1e-4, atol=1e-7)
