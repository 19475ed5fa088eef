import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from chaffinch.core.findings import COLUMNS
from chaffinch.core.kinds import HARMFUL, PROBABILITY_COLUMNS
from chaffinch.core.sample_name import PLACE_COLUMNS
from chaffinch.data.prompt import open_prompts
from chaffinch.diagnosis.prompt_check import check_prompts
from chaffinch.diagnosis.prompt_judgement import judge_prompts
from chaffinch.diagnosis.response_losses import (
    ResponseLosses,
    _auroc,
    unrelated_responses,
    wrong_responses,
)
from chaffinch.diagnosis.selection import Threshold


def draw(share, seed=0, count=400, gap=3.0):
    """Misfits of which a share is drawn as those to others' prompts are, and which."""
    random = np.random.default_rng(seed)
    wrong = random.random(count) < share
    own = random.normal(np.where(wrong, 0.0, -gap))
    return own, random.normal(size=count), wrong


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.5])
def test_the_share_of_wrong_responses_is_estimated(share):
    totals = []
    for seed in range(5):
        own, other, wrong = draw(share, seed)
        found = wrong_responses(own, other)
        totals.append(found.mean() - wrong.mean())
        if share:
            assert roc_auc_score(wrong, found) > 0.95
    assert abs(np.mean(totals)) < 0.03


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 9))
def test_probabilities_never_fall_with_the_misfit(num_own, num_other, seed):
    random = np.random.default_rng(seed)
    own, other = random.integers(0, 9, num_own) / 2.0, random.integers(0, 9, num_other) / 2.0
    found = wrong_responses(own, other)
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1
    assert (np.diff(found[np.argsort(own, kind="stable")]) >= -1e-12).all()
    slow = np.mean([(b > a) + (b == a) / 2 for a in own for b in other])
    assert _auroc(own, other) == pytest.approx(slow)


def test_of_few_samples_the_misfits_tell_who_is_first():
    own, other, _ = draw(0.1, count=60, gap=2.0)
    found = wrong_responses(own, other)
    between = (found > found.min()) & (found < found.max())
    assert between.sum() > 40
    assert len(np.unique(found)) > 40  # steps alone would leave about ten


@pytest.fixture
def checks():
    rows = [
        ("the capital of France is which city", "Paris"),
        ("the capital of France is which city", "Paris"),
        ("how many legs does a spider have", "eight"),
        ("how many legs does a spider have", "purple"),
        ("name the largest planet of all", ""),
        ("who wrote the play about Hamlet", "Shakespeare"),
    ]
    train = open_prompts(pd.DataFrame(rows, columns=["prompt", "response"]))
    tests = open_prompts(pd.DataFrame([rows[-1]], columns=["prompt", "response"]))
    return check_prompts(train, tests)


def test_texts_alone(checks):
    findings = judge_prompts(checks, None, Threshold())
    table = findings.table
    assert tuple(table.columns) == (
        *(name for name in COLUMNS if name not in PLACE_COLUMNS),
        "response_mismatch",
    )
    twin = ["conflicting_duplicate"] * 2
    assert table["kind"].tolist() == ["clean", "near_duplicate", *twin, "outlier", "outlier"]
    assert table["suspicion"].tolist() == [0, 0, 0.5, 0.5, 1, 1]
    assert table["flagged"].tolist() == [False, False, True, True, True, True]
    np.testing.assert_allclose(table[list(PROBABILITY_COLUMNS)].sum(axis=1), 1)
    harmful = table[[f"p_{kind}" for kind in HARMFUL]].sum(axis=1)
    np.testing.assert_allclose(harmful, table["suspicion"])
    ids = checks["id"].tolist()
    assert table["why"].tolist() == [
        "",
        f"Prompt and response are nearly those of {ids[0]}.",
        f"The response to nearly the same prompt in {ids[3]} says otherwise.",
        f"The response to nearly the same prompt in {ids[2]} says otherwise.",
        "Its response is empty.",
        f"Its prompt is that of the test sample {ids[5]}.",
    ]
    assert findings.notes[1] == (
        "Found in the texts: 1 empty response, 1 near-duplicate of earlier samples, 2 with a "
        "response that another one to nearly the same prompt contradicts, 1 with a prompt of the "
        "test set."
    )
    assert "was judged by their words alone" in findings.notes[2]


def _many(count):
    none = [""] * count
    return pd.DataFrame(
        {
            "id": [str(row) for row in range(count)],
            "empty_response": [row == 0 for row in range(count)],
            "duplicate_of": none,
            "contradicts": ["", "2", "1", *none[3:]],
            "contradiction": [0, 0.5, 0.5, *[0.0] * (count - 3)],
            "mismatch": np.zeros(count),
            "swapped_with": none,
            "swapped": np.zeros(count),
            "test_prompt": none,
            "leak": np.zeros(count),
            "fault": none,
            "fault_evidence": none,
            "fault_chance": np.zeros(count),
        }
    )


def _losses(own, other):
    alone = np.linspace(1, 5, len(own))
    return ResponseLosses(alone + own, alone, alone + other)


def test_a_model_says_which_response_is_wrong():
    own, other, wrong = draw(0.1)
    own[1], own[2] = 1.0, -4.0
    wrong[1], wrong[2] = True, False
    findings = judge_prompts(_many(400), _losses(own, other), Threshold())
    table = findings.table
    assert roc_auc_score(wrong[1:], table["suspicion"][1:]) > 0.95
    np.testing.assert_allclose(table["prompt_misfit"], own)
    assert table["kind"][:2].tolist() == ["outlier", "conflicting_duplicate"]
    assert table["suspicion"][2] < 0.1
    assert findings.estimated_errors == pytest.approx(wrong[1:].sum() + 1, abs=12)
    first = table[table["kind"] == "mislabelled"].iloc[0]
    assert "nats after the prompt and" in first["why"]
    assert (table["why"][table["kind"] == "clean"] == "").all()
    few = judge_prompts(_many(400), _losses(own, other), Threshold("fdr", 0.05)).table["flagged"]
    assert 0 < few.sum() < table["flagged"].sum()


def test_what_is_flagged_is_not_called_clean():
    own, other, _ = draw(0.1, gap=2.0)
    table = judge_prompts(_many(400), _losses(own, other), Threshold("fdr", 0.6)).table
    doubtful = table["flagged"] & (table["suspicion"] < 0.5)
    assert doubtful.sum() > 3
    assert set(table["kind"][doubtful]) == {"mislabelled"}
    chances = table["kind_probability"][doubtful]
    np.testing.assert_allclose(chances, table["p_mislabelled"][doubtful])
    assert (table["why"][doubtful] != "").all()


@pytest.mark.parametrize(
    ("count", "gap", "note"), [(400, 0.2, "hardly more likely"), (30, 3.0, "Fewer than 50")]
)
def test_where_a_model_tells_too_little_none_is_judged_by_it(count, gap, note):
    own, other, _ = draw(0.1, count=count, gap=gap)
    findings = judge_prompts(_many(count), _losses(own, other), Threshold())
    assert findings.table["suspicion"].tolist() == [1, 0.5, 0.5, *[0] * (count - 3)]
    assert note in findings.notes[-1]
    np.testing.assert_allclose(findings.table["prompt_misfit"], own)


def test_other_faults_and_what_is_likelier():
    checks = _many(8).assign(contradiction=0.0, contradicts="")
    told = {
        3: ("refusal", "refuses (I cannot help)", 0.8),
        4: ("encoding, refusal", "holds damage; refuses (no)", 0.8),
        5: ("personal_data", "holds what looks like an e-mail address", 0.0),
    }
    for row, (name, evidence, chance) in told.items():
        checks.loc[row, ["fault", "fault_evidence"]] = name, evidence
        checks.loc[row, "fault_chance"] = chance
    checks.loc[6, ["swapped_with", "swapped"]] = "7", 0.7
    checks.loc[7, ["test_prompt", "leak"]] = "t", 0.95
    table = judge_prompts(checks, None, Threshold()).table
    kinds = ["mislabelled", "outlier", "clean", "mislabelled", "outlier"]
    assert table["kind"].tolist()[3:] == kinds
    np.testing.assert_allclose(table["suspicion"][3:], [0.8, 0.8, 0, 0.7, 0.95])
    assert table["flagged"].tolist()[3:] == [True, True, False, True, True]
    assert table["why"].tolist()[3:] == [
        "Its response refuses (I cannot help).",
        "Its response holds damage; its response refuses (no).",
        "Its response holds what looks like an e-mail address.",
        "Its response takes rare words from the prompt of 7 and hardly any from its own.",
        "Its prompt is nearly that of the test sample t.",
    ]


def test_short_responses_are_measured_against_short_ones():
    random = np.random.default_rng(3)
    short = np.arange(600) < 300
    wrong = random.random(600) < 0.08
    wrong &= ~short  # the short ones are all right
    # The mean of one token varies far more than that of many.
    spread, gap = np.where(short, 1.5, 0.3), np.where(short, -2.0, -3.0)
    own = random.normal(np.where(wrong, 0.0, gap), spread)
    other = random.normal(0, spread)
    base = _losses(own, other)
    fair = ResponseLosses(base.given, base.alone, base.shuffled, np.where(short, 1, 40))
    told = {
        name: unrelated_responses(losses, np.zeros(600, bool))[0]
        for name, losses in (("one", base), ("apart", fair))
    }
    assert told["apart"][short].mean() < 0.6 * told["one"][short].mean()
    assert roc_auc_score(wrong, told["apart"]) > roc_auc_score(wrong, told["one"])


def test_short_labels_that_do_not_depend_on_prompts_are_not_judged():
    random = np.random.default_rng(4)
    short = np.arange(400) < 150
    own = np.where(short, random.normal(size=400), random.normal(-4, 1, 400))
    losses = _losses(own, random.normal(size=400))
    losses = ResponseLosses(losses.given, losses.alone, losses.shuffled, np.where(short, 2, 30))
    found, notes = unrelated_responses(losses, np.zeros(400, bool))
    assert np.isnan(found[short]).all()
    assert not np.isnan(found[~short]).any()
    assert notes[0].startswith("The model finds the responses of 1 to 3 tokens hardly more likely")
    table = judge_prompts(
        _many(400).assign(contradiction=0.0, swapped=np.where(short, 0.7, 0.0)), losses, Threshold()
    ).table
    assert (table["suspicion"][1:150] == 0.7).all()
