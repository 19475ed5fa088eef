import numpy as np
import pytest

from chaffinch.core.array import scalar, to_numpy
from chaffinch.core.errors import InputError
from chaffinch.core.label_variants import label_notes, variants
from chaffinch.core.labels import Labels


@pytest.mark.parametrize(
    "alike",
    [
        (" <=50K", "<=50k"),
        ("cat", "Cat", "cat ", "c\u0430t", "\uff43at", "cat\u200b"),
        ("1", "1.0", "01"),
        ("new  york", "New York"),
    ],
)
def test_ways_to_write_one_label_are_one_group(alike):
    labels = Labels.of([alike[0], *alike, "other", "another"])
    groups = variants(labels)
    assert [{labels.names[code] for code in group} for group in groups] == [set(alike)]
    assert labels.names[groups[0][0]] == alike[0]  # the most frequent first
    (note,) = label_notes(labels)
    assert f"relabel the {len(alike) - 1} others to {alike[0]!r}" in note
    assert f"{alike[0]!a} (2)" in note


def test_other_labels_are_no_variants():
    assert not variants(Labels.of(["a", "b", "ab", "A1", "a2", "1", "2", "-1", "", "nan"]))
    assert not variants(Labels.of([0, 1, 2, 10]))
    assert not label_notes(Labels.of([True, False]))


def test_numbers_on_a_scale_are_no_classes():
    random = np.random.default_rng(0)
    for target in (random.normal(size=100), random.integers(0, 10_000, 100)):
        with pytest.raises(InputError, match=r"a regression target: \d+ different.*pandas\.qcut"):
            Labels.of(target).check_trainable()
    Labels.of(np.repeat(np.arange(77), 3)).check_trainable()
    Labels.of(np.tile([0.5, 1.0, 1.5], 5)).check_trainable()


def test_cells_without_a_dimension_are_their_value():
    assert scalar(np.array(3)) == 3
    assert Labels.of([np.array(1), np.array(0), np.array(1)]).values.tolist() == [1, 0, 1]
    with pytest.raises(InputError, match="one label a sample"):
        Labels.of([["a"], ["b"]])
    with pytest.raises(InputError, match="1 missing of 3"):
        Labels.of(np.ma.masked_array([1, 2, 1], mask=[0, 0, 1]))


def test_masks_become_missing_values_without_losing_digits():
    made = to_numpy(np.ma.masked_array([1.5, 2.5], mask=[False, True]))
    assert made[0] == 1.5
    assert np.isnan(made[1])
    whole = to_numpy(np.ma.masked_array([2**60 + 1, 5], mask=[False, True]))
    assert whole.tolist() == [2**60 + 1, None]
    assert np.isnan(to_numpy([np.ma.masked_array([1, 2], mask=[0, 1])])[0, 1])
    with pytest.raises(InputError, match="real numbers"):
        to_numpy(np.array([1j]))
