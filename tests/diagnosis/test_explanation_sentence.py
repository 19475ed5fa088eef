"""Every sentence, word by word, on figures made up by hand."""

from dataclasses import replace

import numpy as np
import pytest

from chaffinch.core.kinds import KINDS
from chaffinch.core.labels import Labels
from chaffinch.diagnosis.explanation.sentence import Words, sentence
from chaffinch.diagnosis.explanation.view import View

CODES = np.array([0, 1, 1, 1, 0, 2, 0])
NAMES = ["ant", "bee", "cow"]
VIEW = View(
    Labels(CODES, np.array(NAMES)),
    predicted_by="held_out",
    probabilities=np.tile([0.02, 0.96, 0.02], (7, 1)),
    neighbours=np.tile([1, 2, 3, 4], (7, 1)),
    similarities=np.ones((7, 4)),
    losses=np.ones((10, 7)),
    class_losses=np.ones((10, 3)),
    loss_ratio=np.full(7, 12.3),
    learned=np.full(7, 10.0),
    remoteness=np.full(7, 1.0),
    twin=np.full(7, 1),
    strangeness=np.full(7, 4.2),
    eccentricity=np.full(7, 1.0),
)


def words(kind, hint="", **figures):
    return Words(
        replace(VIEW, **figures),
        np.array([f"s{n}" for n in range(7)]),
        NAMES,
        np.array([kind] * 7),
        np.full(7, -1),
        lambda _: hint,
    )


EXPECTED = {
    "mislabelled": "Labelled ant, but 3 of its 4 nearest neighbours are bee, models that never saw "
    "it say bee (96%) and its loss stayed 12 times the median of its class.",
    "ambiguous": "Between ant and bee: models that never saw it give 2% to the first and 96% to "
    "the second; of its 4 nearest neighbours 1 is ant and 3 are bee. Ask a second person.",
    "near_cluster": "One of only 3 samples labelled ant, a rare class, as validation samples "
    "confirm: the nearest validation sample is 4.2 times as far away as usual and 1 of its 4 "
    "nearest neighbours belongs to the group. Right and worth having: keep.",
    "far_cluster": "One of 3 samples labelled ant that belong together and not to that class: the "
    "nearest validation sample is 4.2 times as far away as usual and 1 of its 4 nearest neighbours "
    "belongs to the group.",
    "outlier": "Labelled ant, but looks damaged or foreign: the nearest validation sample is 4.2 "
    "times as far away as usual.",
    "near_duplicate": "Nearly the same as s1, labelled bee; one is enough.",
    "conflicting_duplicate": "Nearly the same as s1, which is labelled bee and not ant; at most "
    "one of the two is right, and 3 of its 4 nearest neighbours are bee, models that never saw it "
    "say bee (96%) and its loss stayed 12 times the median of its class.",
    "hard": "Hard (never learned); too little speaks against ant to call it wrong: keep.",
    "clean": "Labelled ant; 3 of its 4 nearest neighbours are bee, models that never saw it say "
    "bee (96%) and its loss stayed 12 times the median of its class, which is not enough to call "
    "it wrong.",
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_words(kind):
    assert sentence(words(kind), 0) == EXPECTED[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_finds_words_where_nothing_is_known(kind):
    bare = Words(
        View(VIEW.labels),
        np.array([f"s{n}" for n in range(7)]),
        NAMES,
        np.array([kind] * 7),
        np.full(7, -1),
        lambda _: "",
    )
    text = sentence(bare, 0)
    assert text.endswith(".")
    assert "None" not in text
    assert "  " not in text


def test_nothing_held_against_a_plain_sample():
    plain = words(
        "clean",
        probabilities=np.tile([0.999, 0.0, 0.001], (7, 1)),
        neighbours=np.tile([0, 4, 6, 0], (7, 1)),
        loss_ratio=np.ones(7),
    )
    assert sentence(plain, 0) == (
        "Nothing is held against ant: all 4 of its nearest neighbours share its label and models "
        "that never saw it give it over 99%."
    )


def test_a_copy_under_the_same_label_says_so():
    assert sentence(words("near_duplicate", twin=np.full(7, 4)), 0) == (
        "Nearly the same as s4, also labelled ant; one is enough."
    )


def test_hard_samples_are_told_why_they_stay():
    kept = words(
        "hard",
        learned=np.full(7, 6.0),
        probabilities=np.tile([0.4, 0.5, 0.1], (7, 1)),
        neighbours=np.tile([0, 4, 6, 1], (7, 1)),
    )
    assert sentence(kept, 0) == (
        "Hard (learned only after epoch 7 of 10), but likely right: 3 of its 4 nearest neighbours "
        "share its label and models that never saw it give it 40%. Keep."
    )


def test_an_unsure_prediction_only_leans():
    unsure = words("mislabelled", probabilities=np.tile([0.3, 0.4, 0.3], (7, 1)))
    assert "models that never saw it lean to bee (40%)" in sentence(unsure, 0)


def test_a_trained_model_is_not_called_held_out():
    text = sentence(words("mislabelled", predicted_by="trained"), 0)
    assert "the epochs of training, on average, say bee (96%)" in text


def test_without_any_sign_the_scores_are_named():
    silent = {"probabilities": None, "neighbours": None, "loss_ratio": None}
    text = sentence(words("mislabelled", hint="its aum is above that of 99.0% of all", **silent), 0)
    assert text == (
        "Labelled ant; no single sign says otherwise, but its aum is above that of 99.0% of all."
    )


@pytest.mark.parametrize(
    ("ratio", "text"), [(2.04, "2.0 times"), (9.96, "10 times"), (300.0, "over 100 times")]
)
def test_ratios_are_no_more_exact_than_they_are(ratio, text):
    assert f"stayed {text} the median" in sentence(
        words("mislabelled", loss_ratio=np.full(7, ratio)), 0
    )
