import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.data import open_data
from chaffinch.data.usable import set_aside, split_usable


@given(
    st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=12),
    st.lists(st.sampled_from(["", "one", "two"]), min_size=12, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_samples_are_split_as_one_would_by_hand(labels, texts):
    texts = texts[: len(labels)]
    wanted = {}
    for row, (label, text) in enumerate(zip(labels, texts, strict=True)):
        if not text:
            wanted[row] = "empty"
        elif label is None:
            wanted[row] = "unlabelled"
    left = [label for row, label in enumerate(labels) if row not in wanted]
    for row, label in enumerate(labels):
        if row not in wanted and left.count(label) == 1:
            wanted[row] = "too_rare"
    frame = pd.DataFrame({"text": texts, "label": labels})
    data = open_data(frame, text_column="text", trainable=False)
    if len(wanted) == len(labels):
        with pytest.raises(InputError, match=r"samples that can be judged in .* none of"):
            split_usable(data)
        return
    usable, aside = split_usable(data)
    assert {row: fault.kind for row, fault in aside.faults.items()} == wanted
    rest = [row for row in range(len(labels)) if row not in wanted]
    assert usable.ids.tolist() == data.ids[rest].tolist()
    assert usable.labels.values.tolist() == [labels[row] for row in rest]
    assert (usable.labels.counts >= 2).all()
    assert (usable is data) == (not wanted)
    kept, _ = split_usable(data, keep_classes=True)
    assert kept.labels.classes.tolist() == data.labels.classes.tolist()


def test_arrays_and_tensors_with_values_that_are_not_finite():
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    x[1, 2], x[4, 0] = np.nan, np.inf
    y = np.array([0, 1, 0, 1, 0, 1])
    for data in ((x, y), TensorDataset(torch.tensor(x), torch.tensor(y)), {"x": x, "y": y}):
        _, aside = split_usable(open_data(data, trainable=False))
        assert aside.counts == {"unreadable": 2}
        assert sorted(aside.faults) == [1, 4]
    with pytest.raises(InputError, match=r"2 of 6 that cannot \(2 unreadable: row 1 .*; row 4"):
        open_data((x, y))


def test_the_first_ten_are_listed_and_all_counted():
    labels = Labels.of([None] * 15 + ["a", "a"], allow_missing=True)
    aside = set_aside(np.arange(17).astype(str), labels, {})
    assert aside.listed.startswith("15 unlabelled: row 0 (no label); row 1 (no label); ")
    assert aside.listed.endswith("row 9 (no label) and 5 more")


class Leaky(Dataset):
    """Items of which some cannot be read."""

    def __init__(self, items, bad, error=None):
        self.items, self.bad = items, bad
        self.error = error or OSError("image file is truncated")

    def __len__(self):
        return len(self.items)

    def __getitem__(self, row):
        if row in self.bad:
            raise self.error
        return self.items[row]


def pictures(mode="RGB"):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)
    return [(Image.fromarray(one).convert(mode), row % 2) for row, one in enumerate(pixels)]


@pytest.mark.parametrize("bad", [(0,), (2, 5)])
def test_items_of_a_torch_data_set_that_cannot_be_read(bad):
    tensors = [(torch.rand(3), row % 2) for row in range(6)]
    for items in (pictures(), tensors):
        data = open_data(Leaky(items, bad), trainable=False)
        assert [row for row, name in enumerate(data.ids) if name in data.faults] == list(bad)
        assert {fault.reason for fault in data.faults.values()} == {"image file is truncated"}
        usable, aside = split_usable(data)
        assert aside.counts == {"unreadable": len(bad)}
        assert len(usable) == 6 - len(bad)
    with_targets = Leaky(pictures(), bad)
    with_targets.targets = [row % 2 for row in range(6)]
    assert open_data(with_targets, trainable=False).labels.known.all()


def test_a_torch_data_set_of_which_nothing_can_be_read():
    with pytest.raises(InputError, match="truncated"):
        open_data(Leaky(pictures(), range(6)))
    with pytest.raises(KeyError):  # a fault of the program, not of an item
        open_data(Leaky(pictures(), (3,), KeyError("x")))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"])
def test_pictures_of_any_mode_keep_their_pixels(mode):
    items = pictures(mode)
    data = open_data(Leaky(items, ()))
    pixels = data.pixels()
    if mode in ("I", "F"):
        values = np.stack([np.asarray(image) for image, _ in items]).astype(float)
        wanted = (values - values.min()) / np.ptp(values)
        assert np.abs(pixels[..., 0] / 65_535 - wanted).max() < 1e-4
        return
    wanted = np.stack([np.asarray(image.convert("RGB")) for image, _ in items])
    assert np.abs(pixels.astype(int) - wanted).max() <= (2 if mode == "YCbCr" else 0)
