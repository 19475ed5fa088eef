import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.diagnosis.informative import (
    can_tell_effect,
    informative,
    own_share,
    validation_effect,
)


def softmax(row):
    shifted = np.exp(row - row.max())
    return shifted / shifted.sum()


def slow_effect(evidence):
    """Products of whole gradient matrices, one pair at a time."""
    codes, held = evidence.labels.codes, evidence.validation_codes
    classes = len(evidence.labels.classes)

    def gradient(logits, features, code):
        errors = [softmax(np.asarray(one, np.float64)) - np.eye(classes)[code] for one in logits]
        inputs = np.append(np.asarray(features, np.float64), [1.0] * evidence.bias)
        return np.outer(np.mean(errors, axis=0), inputs)

    targets = [
        gradient(evidence.validation_logits[[j]], evidence.validation_features[j], held[j])
        for j in range(len(held))
    ]
    return np.array(
        [
            sum(
                (gradient(evidence.logits[:, i], evidence.features[i], codes[i]) * one).sum()
                for one in targets
            )
            for i in range(len(codes))
        ]
    )


@given(st.integers(4, 30), st.integers(2, 4), st.integers(1, 3), st.integers(0, 99))
def test_the_effect_on_validation_is_that_of_whole_gradients(
    synthetic, size, classes, epochs, seed
):
    evidence = synthetic(max(size, 2 * classes), classes, 0.2, seed, epochs).evidence
    np.testing.assert_allclose(
        validation_effect(evidence), slow_effect(evidence), rtol=1e-4, atol=1e-4
    )


def test_wrong_labels_hurt_validation_and_right_ones_help(synthetic):
    made = synthetic(200, 3, 0.15)
    effect = validation_effect(made.evidence)
    assert np.median(effect[~made.errors]) > 0 > np.median(effect[made.errors])


def test_the_share_of_neighbours_with_the_label_counts_ten_others(synthetic):
    evidence = synthetic(60, 3, 0.2).evidence
    rows = np.asarray(evidence.embeddings, np.float64)
    rows = np.column_stack([rows, np.full(len(rows), np.sqrt((rows**2).sum(1).mean()) / 2)])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    codes, shares = evidence.labels.codes, []
    for i in range(len(rows)):
        order = sorted((j for j in range(len(rows)) if j != i), key=lambda j: -unit[i] @ unit[j])
        shares.append(np.mean([codes[j] == codes[i] for j in order[:10]]))
    np.testing.assert_allclose(own_share(evidence), shares)


def test_rare_but_right_is_informative_and_wrong_is_not(synthetic):
    made = synthetic(200, 3, 0.15)
    found = informative(made.evidence)
    assert set(found.signs) == {"frequency", "consistency", "effect"}
    assert found.support[~made.errors].mean() > 0.8
    assert found.support[made.errors].mean() < 0.2
    assert found.probability[made.errors].max() < 0.7


def test_what_is_learned_at_once_is_not_hard(synthetic):
    made = synthetic(100, 3, 0.1)
    sure = np.full_like(made.evidence.logits, -8.0)
    np.put_along_axis(sure, made.evidence.labels.codes[None, :, None], 8.0, axis=2)
    from dataclasses import replace

    assert informative(replace(made.evidence, logits=sure)).hardness.max() < 1e-3
    never = informative(replace(made.evidence, logits=-sure)).hardness
    assert never.min() == 1


def test_without_predictions_nothing_is_hard(synthetic):
    found = informative(synthetic(40).only("embeddings"))
    assert not found.hardness.any()
    assert set(found.signs) == {"frequency"}
    nothing = informative(synthetic(40).only())
    assert not nothing.support.any()


def test_a_missing_record_is_named(synthetic):
    evidence = synthetic(40).only("logits", "features")
    assert not can_tell_effect(evidence)
    with pytest.raises(InputError, match="validation_codes"):
        validation_effect(evidence)
