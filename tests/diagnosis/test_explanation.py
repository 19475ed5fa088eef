import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.core.explanation import Explanation
from chaffinch.diagnosis.explanation import describe, explain
from chaffinch.diagnosis.explanation.influence import strongest
from chaffinch.diagnosis.explanation.view import look


def table_of(made, kind=None):
    """Findings that know the truth."""
    wrong = made.errors
    codes = made.evidence.labels.codes
    return pd.DataFrame(
        {
            "id": made.evidence.ids,
            "given_label": codes,
            "suspicion": np.where(wrong, 0.9, 0.1) + np.linspace(0, 0.05, len(codes)),
            "flagged": wrong,
            "kind": np.where(wrong, "mislabelled", "clean") if kind is None else kind,
            "kind_probability": np.full(len(codes), 0.9),
            "suggested_label": pd.Series(made.truth).where(wrong),
            "suggestion_confidence": np.where(wrong, 0.8, np.nan),
            "q_value": np.full(len(codes), 0.1),
            "loss_mean": wrong + np.linspace(0, 0.5, len(codes)),
            "flat": np.zeros(len(codes)),
        }
    )


def dense_gradients(evidence):
    classes, rows = len(evidence.labels.classes), []
    for i, code in enumerate(evidence.labels.codes):
        wide = np.asarray(evidence.logits[:, i], np.float64)
        p = np.exp(wide) / np.exp(wide).sum(axis=1, keepdims=True)
        inputs = np.append(np.asarray(evidence.features[i], np.float64), [1.0] * evidence.bias)
        rows.append(np.outer(p.mean(axis=0) - np.eye(classes)[code], inputs).ravel())
    gradients = np.stack(rows)
    return gradients / np.linalg.norm(gradients, axis=1, keepdims=True)


@given(st.integers(5, 30), st.integers(2, 4), st.integers(1, 4), st.integers(0, 99))
def test_helpers_and_opponents_are_those_of_whole_gradients(synthetic, size, classes, count, seed):
    evidence = synthetic(max(size, 2 * classes), classes, 0.2, seed).evidence
    unit = dense_gradients(evidence)
    rows = np.arange(0, len(evidence), 2)
    places, cosines = strongest(evidence, rows, count)
    half = min(count, (len(evidence) - 1) // 2)
    assert places.shape == (len(rows), 2 * half)
    for n, row in enumerate(rows):
        others = np.delete(np.arange(len(evidence)), row)
        ranked = np.sort(unit[others] @ unit[row])
        np.testing.assert_allclose(cosines[n, :half], ranked[::-1][:half], atol=1e-5)
        np.testing.assert_allclose(cosines[n, half:], ranked[:half], atol=1e-5)
        np.testing.assert_allclose(unit[places[n]] @ unit[row], cosines[n], atol=1e-5)
        assert row not in places[n]


def test_the_view_shows_plain_figures(synthetic):
    evidence = synthetic(60, 3, 0.2).evidence
    view, codes = look(evidence), evidence.labels.codes
    log_p = np.log(
        np.exp(np.float64(evidence.logits))
        / np.exp(np.float64(evidence.logits)).sum(axis=2, keepdims=True)
    )
    losses = -np.take_along_axis(log_p, codes[None, :, None], axis=2)[:, :, 0]
    for code in range(3):
        own = codes == code
        np.testing.assert_allclose(
            view.class_losses[:, code], [np.median(one[own]) for one in losses], rtol=1e-6
        )
        usual = np.median(losses.mean(axis=0)[own])
        np.testing.assert_allclose(view.loss_ratio[own], losses.mean(axis=0)[own] / usual)
    late = np.exp(np.float64(evidence.held_out_logits[1:]))
    p = (late / late.sum(axis=2, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(view.probabilities, p, rtol=1e-6)
    assert view.predicted_by == "held_out"
    gaps = np.asarray(evidence.embeddings, np.float64)[:, None] - evidence.validation_embeddings
    assert np.median(view.strangeness) == pytest.approx(1)
    assert np.linalg.norm(gaps, axis=2).shape == (60, 12)
    row = int(np.flatnonzero(codes == 1)[0])
    assert view.neighbours_labelled(row, 1) == (codes[view.neighbours[row]] == 1).sum()


def test_the_columns_stand_between_kinds_and_scorers(synthetic):
    made = synthetic(90, 3, 0.2)
    told = describe(table_of(made), made.evidence)
    assert list(told.columns)[8:13] == ["q_value", "stability", "why", "loss_mean", "flat"]
    assert (told["why"] != "").tolist() == made.errors.tolist()
    row = told[made.errors].iloc[0]
    other = int(row["suggested_label"])
    assert row["why"].startswith(f"Labelled {row['given_label']}, but ")
    assert f"nearest neighbours are {other}" in row["why"]
    assert f"models that never saw it say {other} (" in row["why"]


def test_losses_say_nothing_of_what_inputs_show(synthetic):
    made = synthetic(90, 3, 0.2)
    told = describe(table_of(made, np.where(made.errors, "far_cluster", "clean")), made.evidence)
    assert told["stability"].isna().tolist() == made.errors.tolist()


def test_flagged_samples_come_first_and_protected_ones_follow(synthetic):
    made = synthetic(90, 3, 0.2)
    kind = np.where(made.errors, "mislabelled", "clean").astype("<U20")
    free = np.flatnonzero(~made.errors)
    kind[free[:3]], kind[free[3:5]] = "hard", "near_cluster"
    table = table_of(made, kind)
    found = explain(made.evidence, table)
    suspicion = [one.suspicion for one in found[: made.errors.sum()]]
    assert suspicion == sorted(suspicion, reverse=True)
    assert [one.kind for one in found[made.errors.sum() :]] == ["near_cluster"] * 2 + ["hard"] * 3


def test_any_sample_can_be_asked_for(synthetic):
    made = synthetic(90, 3, 0.2)
    wrong, right = np.flatnonzero(made.errors)[0], np.flatnonzero(~made.errors)[0]
    table = describe(table_of(made), made.evidence)
    clean, bad = explain(made.evidence, table, [f"s{right}", f"s{wrong}"])
    assert (clean.id, bad.id) == (f"s{right}", f"s{wrong}")
    assert clean.why.startswith(("Nothing is held against ", "Labelled "))
    assert bad.why == table["why"].iloc[wrong]
    assert bad.counterfactual_label == str(made.truth[wrong])
    assert bad.counterfactual_probability > 0.5
    assert [one.scorer for one in bad.firing] in (["loss_mean"], [])
    assert all(one.similarity > 0 and one.id != bad.id for one in bad.helpers)
    assert all(one.similarity < 0 for one in bad.opponents)
    assert {one.label for one in bad.opponents} == {str(made.truth[wrong])}
    assert len(bad.neighbours) == 10
    assert len(bad.loss) == len(bad.class_loss) == 3
    assert bad.loss[-1] > bad.class_loss[-1]


@pytest.mark.parametrize(
    "records", [(), ("embeddings",), ("logits",), ("held_out_logits", "embeddings")], ids=str
)
def test_missing_records_leave_out_their_part(synthetic, records):
    made = synthetic(60, 3, 0.2)
    evidence = made.only(*records)
    told = describe(table_of(made), evidence)
    assert (told["why"] != "").tolist() == made.errors.tolist()
    found = explain(evidence, told)
    assert len(found) == made.errors.sum()
    assert bool(found[0].neighbours) == ("embeddings" in records)
    assert not found[0].helpers


def test_it_goes_through_json(synthetic):
    made = synthetic(60, 3, 0.2)
    for one in explain(made.evidence, describe(table_of(made), made.evidence)):
        assert Explanation.from_dict(json.loads(json.dumps(one.to_dict(), allow_nan=False))) == one


def test_an_unknown_id_is_refused(synthetic):
    made = synthetic(60)
    with pytest.raises(InputError, match=r"ids of the findings; got 1 others, such as 'nobody'"):
        explain(made.evidence, table_of(made), ["s0", "nobody"])


def test_findings_of_other_samples_are_refused(synthetic):
    made = synthetic(60)
    with pytest.raises(InputError, match="same samples in the same order"):
        explain(made.evidence, table_of(made).iloc[::-1])
