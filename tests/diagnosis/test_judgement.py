"""From evidence to findings: what the table says, and whether it finds what was planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_auc_score

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import COLUMNS
from chaffinch.core.kinds import HARMFUL, KINDS, PROBABILITY_COLUMNS
from chaffinch.core.labels import Labels
from chaffinch.core.sample_name import PLACE_COLUMNS
from chaffinch.diagnosis import wrong_label
from chaffinch.diagnosis.judgement import choose_scorers, diagnose, judge_evidence, pooled
from chaffinch.diagnosis.noise_model import NoiseModel
from chaffinch.diagnosis.source import held_out_sources
from chaffinch.diagnosis.wrong_label import (
    IN_SAMPLE_NOTE,
    NEIGHBOURS_NOTE,
    UNLEARNABLE_NOTE,
    explained_share,
)
from chaffinch.scorers import DEFAULT_SCORERS, SCORERS

RECORDS = {
    "held-out": ("held_out_logits",),
    "in-sample": ("logits",),
    "embeddings": ("embeddings",),
    "held-out and in-sample": ("held_out_logits", "logits"),
    "in-sample and embeddings": ("logits", "embeddings"),
    "everything": (
        *("logits", "held_out_logits", "features", "feature_norms", "embeddings"),
        *("learning_rates", "validation_logits", "validation_features", "validation_codes"),
    ),
}
EACH = pytest.mark.parametrize("names", RECORDS.values(), ids=RECORDS)
TYPES = {
    "str": (["ant", "bee", "cat"], "string"),
    "int": ([3, 7, 20], "Int64"),
    "bool": ([False, True], "boolean"),
    "float": ([0.5, 1.5, 2.0], "Float64"),
}


@EACH
@pytest.mark.parametrize("num_classes", [2, 4])
def test_flips_in_separated_classes_are_found(synthetic, names, num_classes):
    scores, estimates, suggestions = [], [], []
    for seed in range(3):
        made = synthetic(num_samples=800, num_classes=num_classes, seed=seed)
        findings = judge_evidence(made.only(*names), [], seed)
        flagged = findings.table["flagged"].to_numpy()
        scores.append(f1_score(made.errors, flagged))
        estimates.append(findings.estimated_errors / made.errors.sum())
        hits = flagged & made.errors
        suggested = findings.table["suggested_label"][hits].to_numpy(np.int64)
        suggestions.append((suggested == made.truth[hits]).mean())
    assert np.mean(scores) > 0.9
    assert min(scores) > 0.8
    assert np.mean(estimates) == pytest.approx(1, abs=0.2)
    assert min(suggestions) > 0.95


@EACH
@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("seed", range(2))
def test_clean_data_are_left_alone(synthetic, names, num_classes, seed):
    made = synthetic(num_samples=800, num_classes=num_classes, rate=0, seed=seed)
    findings = judge_evidence(made.only(*names), [], seed)
    assert findings.table["flagged"].mean() <= 0.015
    assert findings.estimated_errors <= 0.02 * 800


@pytest.mark.parametrize("seed", range(3))
def test_a_net_that_has_memorised_the_labels_does_not_spoil_held_out_evidence(synthetic, seed):
    made = synthetic(num_samples=800, num_classes=3, seed=seed)
    random = np.random.default_rng(seed)
    memorised = random.normal(size=(1, 800, 3))
    memorised[0, np.arange(800), made.evidence.labels.codes] += 12
    evidence = replace(made.only("held_out_logits"), logits=memorised)
    assert f1_score(made.errors, judge_evidence(evidence, []).table["flagged"]) > 0.85


@EACH
def test_the_table_keeps_its_promises(synthetic, names):
    evidence = synthetic().only(*names)
    findings = judge_evidence(evidence)
    table = findings.table
    scorers = [
        name
        for name, scorer in SCORERS.items()
        if name in DEFAULT_SCORERS and scorer.runs_on(evidence)
    ]
    judged = [name for name in COLUMNS if name not in PLACE_COLUMNS]
    assert list(table.columns) == [*judged, *scorers]
    assert findings.scorers == scorers
    assert table["id"].tolist() == evidence.ids.tolist()
    assert table["given_label"].tolist() == evidence.labels.values.tolist()
    for name in ("suspicion", "kind_probability", "q_value"):
        assert table[name].between(0, 1).all()
    assert table["flagged"].dtype == np.bool_
    flagged = table["flagged"].to_numpy()
    chances = table[list(PROBABILITY_COLUMNS)].to_numpy()
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-9)
    assert (chances >= 0).all()
    assert table["kind"][flagged].isin(HARMFUL).all()
    own = chances[np.arange(len(table)), [KINDS.index(kind) for kind in table["kind"]]]
    np.testing.assert_array_equal(table["kind_probability"], own)
    np.testing.assert_array_equal(own[~flagged], chances[~flagged].max(axis=1))
    harm = table[[f"p_{kind}" for kind in HARMFUL]].sum(axis=1)
    np.testing.assert_allclose(table["suspicion"], harm, rtol=1e-9)
    named = table["suggested_label"].notna().to_numpy()
    assert named[flagged].all()
    assert (table["suggestion_confidence"].notna() == named).all()
    confidence = table["suggestion_confidence"][named]
    assert (confidence <= table["suspicion"][named] + 1e-12).all()
    assert (table["suggested_label"][named] != table["given_label"][named]).all()
    for name in scorers:
        np.testing.assert_array_equal(table[name], SCORERS[name](evidence, 0))


@EACH
def test_expected_errors_and_their_flow_add_up(synthetic, names):
    evidence = synthetic().only(*names)
    findings = judge_evidence(evidence, [])
    suspicion = findings.table["suspicion"].to_numpy()
    assert findings.estimated_errors == pytest.approx(suspicion.sum(), rel=1e-12)
    assert (findings.flow >= 0).all()
    np.testing.assert_allclose(findings.flow.sum(axis=1), evidence.labels.counts, rtol=1e-9)
    off_diagonal = findings.flow.sum() - findings.flow.trace()
    assert off_diagonal == pytest.approx(findings.estimated_errors, rel=1e-9)


def test_the_flow_goes_from_the_given_to_the_right_label(synthetic):
    made = synthetic(num_samples=900, num_classes=3, rate=0)
    codes = made.truth.copy()
    codes[np.flatnonzero(codes == 0)[:60]] = 2
    evidence = replace(made.only("held_out_logits"), labels=Labels(codes, np.arange(3)))
    flow = judge_evidence(evidence, []).flow
    assert flow[2, 0] == pytest.approx(60, abs=8)
    assert np.delete(flow.ravel(), [0, 4, 6, 8]).max() < 5


@EACH
def test_the_same_seed_gives_the_same_findings_byte_for_byte(synthetic, names):
    tables = [judge_evidence(synthetic().only(*names), seed=5).table for _ in range(2)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    bytes_of = [table.to_csv().encode() for table in tables]
    assert bytes_of[0] == bytes_of[1]


@EACH
def test_rows_follow_their_ids(synthetic, names):
    evidence = synthetic().only(*names)
    order = np.random.default_rng(0).permutation(len(evidence))
    moved = judge_evidence(evidence.take(order), []).table.set_index("id")
    still = judge_evidence(evidence, []).table.set_index("id").loc[evidence.ids[order]]
    np.testing.assert_allclose(moved["suspicion"], still["suspicion"], atol=1e-3)
    assert (moved["flagged"] == still["flagged"]).mean() > 0.99


@pytest.mark.parametrize("kind", TYPES)
def test_labels_keep_their_values_and_their_type(synthetic, kind):
    values, stored = TYPES[kind]
    made = synthetic(num_classes=len(values))
    given = np.asarray(values)[made.evidence.labels.codes]
    evidence = replace(made.only("held_out_logits"), labels=Labels.of(given))
    findings = judge_evidence(evidence, [])
    table = findings.table
    assert table["given_label"].tolist() == given.tolist()
    assert pd.api.types.pandas_dtype(table["given_label"].dtype) == pd.Series(given).dtype
    assert table["suggested_label"].dtype == stored
    named = table["suggested_label"].dropna()
    assert len(named)
    assert {type(value) for value in named.tolist()} == {type(value) for value in values}
    assert set(named.tolist()) <= set(values)
    assert findings.classes.tolist() == values


def test_labels_of_mixed_types_become_text(synthetic, tmp_path):
    made = synthetic(num_classes=3)
    values = np.asarray([1, "1.5", None], dtype=object)
    values[2] = (1, 2)
    labels = Labels(made.evidence.labels.codes, values)
    findings = judge_evidence(replace(made.only("held_out_logits"), labels=labels), [])
    assert findings.classes.tolist() == ["1", "1.5", "(1, 2)"]
    assert findings.table["given_label"].isin(["1", "1.5", "(1, 2)"]).all()
    findings.table.to_parquet(tmp_path / "findings.parquet")


def test_notes_say_what_the_evidence_lacks(synthetic):
    notes = {
        kind: tuple(
            note
            for note in judge_evidence(synthetic().only(*names), []).notes
            if "of the labels may be wrong" not in note  # how sure the rate is, not what it lacks
        )
        for kind, names in RECORDS.items()
    }
    assert notes == {
        "held-out": (),
        "in-sample": (IN_SAMPLE_NOTE,),
        "embeddings": (NEIGHBOURS_NOTE,),
        "held-out and in-sample": (),
        "in-sample and embeddings": (IN_SAMPLE_NOTE,),
        "everything": (),
    }


def test_details_give_the_rate_of_the_noise_model(synthetic):
    details = judge_evidence(synthetic().only("held_out_logits"), []).details
    assert details["noise_rate"] == pytest.approx(0.1, abs=0.03)
    assert details["likelihood"] < 0


def test_alternatives_leave_the_given_class_out(synthetic):
    for names in RECORDS.values():
        evidence = synthetic().only(*names)
        alternatives = diagnose(evidence).alternatives
        np.testing.assert_allclose(alternatives.sum(axis=1), 1)
        assert not alternatives[np.arange(len(evidence)), evidence.labels.codes].any()


def test_in_sample_suspicion_keeps_the_order_of_the_scores(synthetic):
    suspicion = diagnose(synthetic(epochs=1).only("logits")).suspicion
    assert len(np.unique(suspicion)) == len(suspicion)
    assert ((suspicion > 0) & (suspicion < 1)).all()


def test_neighbours_help_where_all_models_saw_the_labels(synthetic):
    made = synthetic(num_samples=600)
    random = np.random.default_rng(0)
    blurred = made.evidence.logits + 6 * random.normal(size=made.evidence.logits.shape)
    alone = replace(made.only("logits"), logits=blurred)
    helped = replace(alone, embeddings=made.evidence.embeddings)
    before, after = (roc_auc_score(made.errors, diagnose(e).suspicion) for e in (alone, helped))
    assert after > before + 0.04


@pytest.mark.parametrize("record", ["logits", "held_out_logits"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("assume", ["auto", "crisp"])
def test_constant_predictions_tell_nothing(synthetic, record, classes, assume):
    made = synthetic(num_classes=classes)
    evidence = replace(made.only(record), **{record: np.zeros((2, 240, classes))})
    findings = judge_evidence(evidence, [], assume=assume)
    assert not findings.table["flagged"].any()
    assert "cannot tell how many labels are wrong" in repr(findings)
    assert UNLEARNABLE_NOTE in findings.notes


@pytest.mark.parametrize("samples", [60, 2000])
def test_labels_that_cannot_be_learned_flag_nothing_and_say_so(synthetic, samples):
    evidence = synthetic(num_samples=samples).only("held_out_logits", "embeddings")
    mixed = np.random.default_rng(0).permutation(evidence.labels.codes)
    findings = judge_evidence(replace(evidence, labels=Labels(mixed, np.arange(3))), [])
    assert UNLEARNABLE_NOTE in findings.notes
    assert not findings.table["flagged"].any()
    assert len(findings.table["suspicion"].unique()) > 2  # the ranking is kept
    assert UNLEARNABLE_NOTE not in judge_evidence(evidence, []).notes


def test_where_held_out_models_know_nothing_training_decides_the_order(synthetic, monkeypatch):
    made = synthetic()
    monkeypatch.setattr(wrong_label, "explained_share", lambda model, labels: 0.0)
    monkeypatch.setattr(wrong_label, "fuse", lambda _posterior, training, *_: -training)
    findings = judge_evidence(made.only("logits", "held_out_logits"), [])
    assert UNLEARNABLE_NOTE in findings.notes
    assert not findings.table["flagged"].any()
    assert roc_auc_score(made.errors, findings.table["suspicion"]) > 0.95


def undecided(num_samples=200, flips=16):
    """Two classes of which held-out models are equally sure: noise and ambiguity look the same."""
    random = np.random.default_rng(0)
    truth = np.arange(num_samples) % 2
    wrong = np.zeros(num_samples, dtype=bool)
    wrong[random.choice(num_samples, flips, replace=False)] = True
    given = np.where(wrong, 1 - truth, truth)
    held_out = np.where(truth[:, None] == np.arange(2), 1.2, -1.2)
    # The training learns wrong labels too, but late.
    own = np.where(wrong[:, None], [-2.0, -1.0, 2.0], [1.0, 2.0, 3.0])
    own = own + 0.2 * random.normal(size=own.shape)
    logits = np.where(given[:, None, None] == np.arange(2), own[:, :, None], -own[:, :, None])
    ids = np.asarray([f"s{n}" for n in range(num_samples)])
    evidence = Evidence(
        ids,
        Labels(given, np.arange(2)),
        logits=logits.transpose(1, 0, 2).astype(np.float32),
        held_out_logits=held_out[None].astype(np.float32),
    )
    return evidence, wrong


def test_where_held_out_models_leave_the_rate_open_training_decides():
    evidence, wrong = undecided()
    alone = judge_evidence(replace(evidence, logits=None), [])
    assert abs(alone.estimated_errors - wrong.sum()) > 4  # its lower bound is all that it knows
    findings = judge_evidence(evidence, [])
    assert findings.estimated_errors == pytest.approx(wrong.sum(), abs=2)
    assert f1_score(wrong, findings.table["flagged"]) > 0.95


@pytest.mark.parametrize(
    ("samples", "share", "learnable"),
    # Chi squared with 6 degrees of freedom passes 22.5 by chance once in 1,000 times, which is
    # 22.5 / (2 * 60 * ln 3) = .17 of the entropy; among many samples only the floor counts.
    [(60, 0.16, False), (60, 0.18, True), (3000, 0.009, False), (3000, 0.011, True)],
)
def test_how_much_must_be_explained(synthetic, monkeypatch, samples, share, learnable):
    monkeypatch.setattr(wrong_label, "explained_share", lambda model, labels: share)
    evidence = synthetic(num_samples=samples).only("held_out_logits", "embeddings")
    findings = judge_evidence(evidence, [])
    assert (UNLEARNABLE_NOTE not in findings.notes) == learnable
    assert findings.table["flagged"].any() == learnable


def test_the_explained_share_is_that_of_the_entropy_of_the_labels():
    labels = Labels(np.asarray([0, 0, 0, 2]), np.arange(3))  # class 1 has no sample
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    for likelihood, share in [(0, 1), (-entropy, 0), (-entropy / 4, 0.75), (-9, 0)]:
        model = NoiseModel(np.ones(1), 0.1, likelihood)
        assert explained_share(model, labels) == pytest.approx(share, abs=1e-12)


def test_scorers_are_chosen_by_name_and_once(synthetic):
    evidence = synthetic().evidence
    assert [s.name for s in choose_scorers(evidence, ["aum", "loss_mean", "aum"])] == [
        "aum",
        "loss_mean",
    ]
    findings = judge_evidence(evidence, ["loss_mean"])
    assert findings.scorers == ["loss_mean"]
    np.testing.assert_array_equal(
        findings.table["suspicion"], judge_evidence(evidence).table["suspicion"]
    )


def test_an_unknown_scorer_is_met_with_the_likeliest_name(synthetic):
    with pytest.raises(InputError, match=r"scorer.*got 'los_mean'. Did you mean 'loss_mean'\?"):
        judge_evidence(synthetic().evidence, ["los_mean"])


def test_a_scorer_that_the_evidence_does_not_allow_is_refused(synthetic):
    with pytest.raises(InputError, match="'embeddings' or 'features'"):
        judge_evidence(synthetic().only("logits"), ["knn_disagreement"])


@pytest.mark.parametrize("names", [(), ("features",), ("learning_rates", "feature_norms")])
def test_evidence_without_predictions_is_refused(synthetic, names):
    with pytest.raises(InputError, match="Pass probabilities, logits or embeddings"):
        judge_evidence(synthetic().only(*names))


@pytest.mark.parametrize(("codes", "words"), [([0, 0, 0], "two classes"), ([0, 0, 1], "with one")])
def test_labels_that_cannot_be_judged_are_refused(codes, words):
    evidence = Evidence(
        np.asarray(["a", "b", "c"]), Labels.of(codes), embeddings=np.ones((3, 2), np.float32)
    )
    with pytest.raises(InputError, match=words):
        judge_evidence(evidence)


def test_sources_are_the_last_epoch_the_mean_the_neighbours_and_the_forest(synthetic):
    evidence = synthetic(epochs=3).only("held_out_logits", "embeddings", "logits", "features")
    assert len(held_out_sources(evidence)) == 5
    assert len(held_out_sources(replace(evidence, embeddings=None))) == 2
    one_epoch = replace(evidence, held_out_logits=evidence.held_out_logits[:1], embeddings=None)
    assert len(held_out_sources(one_epoch)) == 1
    # Neighbours in features that were learned with the labels are no held-out source.
    assert held_out_sources(replace(evidence, held_out_logits=None, embeddings=None)) == []
    last, mean, _, votes, shares = held_out_sources(evidence)
    wide = evidence.held_out_logits.astype(np.float64)
    logs = wide - np.log(np.exp(wide).sum(axis=2, keepdims=True))
    np.testing.assert_allclose(last, logs[-1], atol=1e-9)
    np.testing.assert_allclose(mean, logs.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_array_equal(votes.argsort(axis=1, kind="stable"), shares.argsort(axis=1))


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 1000))
def test_pooled_suspicion_is_in_the_order_of_the_mean_log_odds_and_keeps_its_sum(count, runs, seed):
    random = np.random.default_rng(seed)
    kinds = [random.dirichlet(np.full(len(KINDS), 0.5), size=count) for _ in range(runs)]
    found = pooled(kinds)
    bad = np.isin(KINDS, HARMFUL)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    suspicion = found[:, bad].sum(axis=1)
    assert suspicion.mean() == pytest.approx(np.mean(kinds, axis=0)[:, bad].sum(axis=1).mean())
    harms = [np.clip(one[:, bad].sum(axis=1), 1e-9, 1 - 1e-9) for one in kinds]
    odds = np.mean([np.log(one / (1 - one)) for one in harms], axis=0)
    np.testing.assert_allclose(np.sort(suspicion), suspicion[np.argsort(odds)], atol=1e-9)
    if runs == 1:
        np.testing.assert_allclose(found, kinds[0], atol=1e-6)


def test_pooled_kinds_without_any_doubt_stay():
    kinds = np.zeros((3, len(KINDS)))
    kinds[:, -1] = 1
    np.testing.assert_array_equal(pooled([kinds, kinds]), kinds)
