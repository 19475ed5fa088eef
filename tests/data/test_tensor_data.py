import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

import chaffinch.core.dataset
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.data import ImageData, TensorData, open_data

X = torch.arange(24.0).reshape(6, 2, 2) / 24
Y = torch.tensor([0, 1, 0, 1, 0, 1])


class Items(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Stream(IterableDataset):
    def __iter__(self):
        return iter([])


def test_a_tensor_dataset_and_one_read_item_by_item_are_the_same():
    fast = open_data(TensorDataset(X, Y))
    slow = open_data(Items([(x, int(y)) for x, y in zip(X, Y, strict=True)]))
    assert isinstance(fast, TensorData)
    assert isinstance(fast, chaffinch.core.dataset.Dataset)
    assert (fast.modality, fast.source) == ("array", "torch TensorDataset")
    assert torch.equal(fast.x, X)
    assert torch.equal(slow.x, X)
    assert fast.fingerprint == slow.fingerprint
    assert fast.labels.values.tolist() == Y.tolist()


def test_numpy_samples_and_text_labels_are_read():
    data = open_data(Items([(np.full(3, k, np.int64), "ab"[k % 2]) for k in range(4)]))
    assert data.x.dtype == torch.int64
    assert data.labels.names == ["a", "b"]
    assert data.show(0) == {}


def test_a_subset_has_the_ids_of_its_samples():
    whole = open_data(TensorDataset(X, Y))
    part = open_data(Subset(TensorDataset(X, Y), [5, 2, 4, 1]))
    assert part.ids.tolist() == whole.take(np.array([5, 2, 4, 1])).ids.tolist()
    assert torch.equal(part.x, whole.take(np.array([5, 2, 4, 1])).x)


def test_a_third_item_that_is_a_key_becomes_the_id():
    named = open_data(Items([(X[k], k % 2, f"n{k}") for k in range(4)]))
    assert named.ids.tolist() == ["n0", "n1", "n2", "n3"]
    assert open_data(TensorDataset(X, Y, torch.arange(6) + 10)).ids.tolist()[0] == "10"
    weighted = open_data(Items([(X[k], k % 2, 0.5) for k in range(4)]))
    boxed = open_data(Items([(X[k], k % 2, torch.zeros(4)) for k in range(4)]))
    plain = open_data(Items([(X[k], k % 2) for k in range(4)]))
    assert weighted.ids.tolist() == boxed.ids.tolist() == plain.ids.tolist()


def test_digests_tell_types_and_shapes_apart():
    labels = Labels.of([0])
    forms = [torch.zeros(1, 4), torch.zeros(1, 2, 2), torch.zeros(1, 4, dtype=torch.int32)]
    assert len({TensorData.of(x, labels).digests for x in forms}) == 3
    half = TensorData.of(torch.zeros(1, 4, dtype=torch.bfloat16), labels)
    assert len(half.ids[0]) == 16


@pytest.mark.parametrize("shape", [(2, 5), (1, 2, 5), (3, 2, 5), (4, 2, 5)])
def test_samples_that_look_like_images_are_drawn(shape):
    x = torch.linspace(-1, 1, int(np.prod(shape))).reshape(1, *shape)
    image = TensorData.of(x, Labels.of([0])).show(0)["image"]
    assert image.shape == (2, 5, 3)
    assert image.dtype == np.uint8
    assert image.min() == 0


def test_pixels_are_drawn_as_they_are():
    x = torch.tensor([[[0, 128], [255, 7]]])
    for one in (x.to(torch.uint8), x / 255):
        image = TensorData.of(one, Labels.of([0])).show(0)["image"]
        assert image[..., 1].tolist() == x[0].tolist()


def test_images_of_pillow_are_read_as_images():
    from PIL import Image

    arrays = np.random.default_rng(0).integers(0, 255, (4, 5, 6, 3)).astype(np.uint8)
    data = open_data(Items([(Image.fromarray(a), k % 2) for k, a in enumerate(arrays)]))
    assert isinstance(data, ImageData)
    assert np.array_equal(data.pixels(), arrays)


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (Stream(), "map-style torch Dataset with a length; got Stream"),
        (Items([]), "at least one sample in torch Items; got none"),
        (Items([X[0]]), r"samples \(x, y\) .* got a Tensor as sample 0"),
        (Items([("a", 0)]), "tensors or arrays of numbers .* got a str as sample 0"),
        (Items([(X[0], 0), (X[0, 0], 1)]), r"one shape .* \(2, 2\) .* \(2,\) .* sample 1"),
        (Items([(X[0], torch.zeros(2))]), r"one class a sample .* shape \(2,\)"),
        (TensorDataset(X, torch.zeros(6, 2)), r"one class a sample .* shape \(2,\)"),
        (TensorDataset(X / 0, Y), "finite numbers in torch TensorDataset; got 24 NaN or infinite"),
        (Items([(X[0], 0, "a"), (X[1], 1, "a")]), "unique keys in the id column 'third item'"),
    ],
)
def test_unusable_datasets_are_refused(dataset, words):
    with pytest.raises(InputError, match=words):
        open_data(dataset)


def test_columns_cannot_be_named():
    with pytest.raises(InputError, match="columns for the label column 'y'; got a torch Tensor"):
        open_data(TensorDataset(X, Y), label="y")
