import numpy as np
import pandas as pd
import pytest
import torch

from chaffinch.core.errors import InputError
from chaffinch.data import ImageData, TableData, TextData, open_data

X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, 0, 1])
IMAGES = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)


def test_numbers_become_a_table():
    data = open_data((X, Y))
    assert isinstance(data, TableData)
    assert list(data.frame.columns) == ["x0", "x1", "x2"]
    assert np.array_equal(data.frame.to_numpy(), X)
    assert data.source == "arrays in memory"


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X.tolist(), Y.tolist()),
        (torch.from_numpy(X), torch.from_numpy(Y)),
        (X.astype(np.float32), Y[:, None]),
        (X.astype(object), pd.Series(Y)),
        (X.astype(int), pd.DataFrame({"y": Y})),
    ],
)
def test_the_type_of_the_array_does_not_matter(x, y):
    assert open_data((x, y)).fingerprint == open_data((X, Y)).fingerprint


def test_a_frame_keeps_its_names_and_may_have_empty_cells_and_ids():
    frame = pd.DataFrame({"a": [1.0, np.nan, 3, 4], "key": list("wxyz")})
    data = open_data((frame, Y), id_column="key")
    assert list(data.frame.columns) == ["a"]
    assert data.ids.tolist() == ["w", "x", "y", "z"]
    with pytest.raises(InputError, match="columns for the label column 'a'; got labels in arrays"):
        open_data((frame, Y), label="a")


def test_three_and_four_axes_are_images():
    for x in (IMAGES, IMAGES[..., None], IMAGES[:, None], IMAGES / 255):
        data = open_data((x, Y))
        assert isinstance(data, ImageData)
        assert np.array_equal(data.pixels()[..., 0], IMAGES)


def test_strings_are_text_and_paths_are_images(tmp_path):
    from PIL import Image

    for x in (["a", "b", "c", "d"], np.array(list("abcd")), pd.Series(list("abcd"))):
        data = open_data((x, Y))
        assert isinstance(data, TextData)
        assert data.texts == ("a", "b", "c", "d")
    with pytest.raises(InputError, match=r"1 of 5 that cannot \(1 empty: row 1 \(no text\)\)"):
        open_data((["a", None, "c", "d", "e"], [*Y, Y[1]]))
    paths = [tmp_path / f"{k}.png" for k in range(4)]
    for path, image in zip(paths, IMAGES, strict=True):
        Image.fromarray(image).save(path)
    data = open_data((paths, Y))
    assert np.array_equal(data.pixels()[..., 0], IMAGES)
    assert data.files == tuple(map(str, paths))


def test_labels_keep_their_values():
    assert open_data((X, ["b", "a", "b", "a"])).labels.values.tolist() == ["b", "a", "b", "a"]
    labels = open_data((X, ["a", None, "b", "a"]), trainable=False).labels
    assert labels.values.tolist() == ["a", None, "b", "a"]
    assert labels.codes.tolist() == [0, -1, 1, 0]


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X[:3], Y, "as many samples as labels in arrays in memory; got 3 samples and 4 labels"),
        (IMAGES[:3], Y, "got 3 samples and 4 labels"),
        (pd.DataFrame(X[:3]), Y, "got 3 samples and 4 labels"),
        (["a"], Y, "got 1 samples and 4 labels"),
        (
            np.full((4, 3), np.nan),
            Y,
            "finite numbers in arrays in memory; got values that are NaN or infinite in every row",
        ),
        (IMAGES * np.nan, Y, "finite pixels in arrays in memory; got 120 NaN or infinite"),
        (X[:, 0], Y, r"a table \(N, I\).* got an array of shape \(4,\) .*reshape\(-1, 1\)"),
        (np.zeros((4, 2, 2, 2, 2)), Y, r"got an array of shape \(4, 2, 2, 2, 2\)"),
        ([[1], [1, 2], [1], [1]], Y, "samples of one shape in arrays in memory"),
        (X, np.eye(4), r"one label a sample .* shape \(4, 4\).* one-hot"),
        (X, np.zeros(4), "at least two classes in the labels of arrays in memory"),
    ],
)
def test_unusable_arrays_are_refused(x, y, words):
    with pytest.raises(InputError, match=words):
        open_data((x, y))


def test_columns_of_arrays_cannot_be_named():
    with pytest.raises(InputError, match="data with columns for the id column 'k'; got arrays"):
        open_data((X, Y), id_column="k")


@pytest.mark.parametrize(
    "keys", [("X", "y"), ("x", "labels"), ("x_train", "y_train"), ("images", "label")]
)
def test_npz_files_and_mappings_are_read_by_their_keys(tmp_path, keys):
    arrays = {keys[0]: X, keys[1]: Y, "x_test": X, "key": np.array(list("wxyz"))}
    np.savez(tmp_path / "t.npz", **arrays)
    expected = open_data((X, Y))
    for data in (tmp_path / "t.npz", arrays):
        assert open_data(data).fingerprint == expected.fingerprint
        assert open_data(data, id_column="key").ids.tolist() == ["w", "x", "y", "z"]
    assert open_data(tmp_path / "t.npz").source == "t.npz"


def test_images_of_an_npz_file_are_images(tmp_path):
    np.savez(tmp_path / "t.npz", train_images=IMAGES, train_labels=Y[:, None])
    assert np.array_equal(open_data(tmp_path / "t.npz").pixels()[..., 0], IMAGES)


def test_a_named_key_holds_the_labels():
    data = open_data({"x": X, "y": Y[::-1], "fixed": Y}, label="fixed")
    assert data.labels.values.tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": X, "y": Y}, r"one key of samples .*x_train.* got the keys 'a', 'y'"),
        ({"x": X, "b": Y}, r"one key of labels .*y_train.* got the keys 'x', 'b'"),
        ({"x": X, "data": X, "y": Y}, "one key of samples .* got 'x', 'data'"),
        ({"a": Y, "y": Y[:3]}, "columns of one length .* got 'a' with 4, 'y' with 3"),
        ({}, "one key of samples .* got the keys none"),
    ],
)
def test_unclear_keys_are_refused(arrays, words):
    with pytest.raises(InputError, match=words):
        open_data(arrays)


def test_a_key_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"a label column named 'why' .* got the columns 'x', 'y'"):
        open_data({"x": X, "y": Y}, label="why")


def test_damaged_and_pickled_npz_files_are_refused(tmp_path):
    path = tmp_path / "t.npz"
    path.write_bytes(b"PK no zip")
    with pytest.raises(InputError, match=r"an \.npz file of plain arrays; got t\.npz \("):
        open_data(path)
    np.savez(path, x=np.array([None, 1], dtype=object), y=Y)
    with pytest.raises(InputError, match=r"plain arrays; got t\.npz \(Object arrays cannot"):
        open_data(path)
