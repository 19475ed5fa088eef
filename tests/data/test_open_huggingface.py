import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from chaffinch.core.errors import InputError
from chaffinch.data import ImageData, TextData, open_data

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)


class Value:
    pass


class ClassLabel:
    names = ("neg", "pos")


class Image:
    def __init__(self, decode=True):
        self.decode = decode


class Fake:
    """Looks like a `datasets.Dataset`, which is not needed to run these tests."""

    def __init__(self, frame, features):
        self.frame, self.features, self.column_names = frame, features, list(frame)

    def __len__(self):
        return len(self.frame)

    def cast_column(self, name, feature):
        assert isinstance(feature, Image)
        assert not feature.decode
        return Fake(self.frame, {**self.features, name: feature})

    def to_pandas(self):
        undecoded = all(not getattr(f, "decode", False) for f in self.features.values())
        assert undecoded, "images must not be decoded"
        return self.frame


def png(image):
    buffer = io.BytesIO()
    Picture.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def texts(labels):
    frame = pd.DataFrame({"text": [f"a sentence that is number {k}" for k in range(4)]})
    return Fake(frame.assign(label=labels), {"text": Value(), "label": ClassLabel()})


def test_class_names_become_the_labels():
    data = open_data(texts([0, 1, 1, 0]))
    assert isinstance(data, TextData)
    assert data.labels.values.tolist() == ["neg", "pos", "pos", "neg"]
    assert data.source == "Hugging Face data set (text column 'text')"


@pytest.mark.parametrize("unknown", [-1, None])
def test_a_label_that_is_not_known_is_missing(unknown):
    labels = open_data(texts([0, 1, unknown, 0]), trainable=False).labels
    assert labels.codes.tolist()[2] == -1
    assert labels.values[2] is None
    assert (labels.codes >= 0).sum() == 3


def test_images_are_read_from_bytes_and_paths(tmp_path):
    (tmp_path / "a.png").write_bytes(png(IMAGES[3]))
    cells = [{"bytes": png(image), "path": None} for image in IMAGES[:3]]
    cells.append({"bytes": None, "path": str(tmp_path / "a.png")})
    frame = pd.DataFrame({"image": cells, "label": [0, 1, 0, 1]})
    data = open_data(Fake(frame, {"image": Image(), "label": ClassLabel()}))
    assert isinstance(data, ImageData)
    assert np.array_equal(data.pixels(), IMAGES)
    frame["image"] = [*cells[:3], None]
    data = open_data(frame, trainable=False)
    assert {name: fault.kind for name, fault in data.faults.items()} == {data.ids[3]: "empty"}


def test_an_undecodable_image_is_named_by_its_row():
    cells = [{"bytes": png(IMAGES[0]), "path": None}, {"bytes": b"no", "path": None}]
    data = open_data(pd.DataFrame({"image": cells, "label": [0, 1]}), trainable=False)
    assert data.faults[data.ids[1]].reason == "cannot identify image file"
    with pytest.raises(InputError, match=r"readable images .* got row 0 \(cannot identify"):
        open_data(pd.DataFrame({"image": cells[1:], "label": [1]}), trainable=False)


def test_all_splits_at_once_and_streams_are_refused():
    with pytest.raises(
        InputError, match=r"one split .* 'train', 'test'\. Pass one, such as data\["
    ):
        open_data({"train": texts([0, 1, 0, 1]), "test": texts([0, 1, 0, 1])})

    class Stream:
        features, column_names = (), ()

    with pytest.raises(InputError, match=r"got a streamed Stream\. Load it without streaming=True"):
        open_data(Stream())


def test_the_library_itself_is_read():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    columns = {"image": [Picture.fromarray(image) for image in IMAGES], "label": [0, 1, 0, 1]}
    data = open_data(datasets.Dataset.from_dict(columns, features=features))
    assert data.labels.names == ["cat", "dog"]
    assert np.array_equal(data.pixels(), IMAGES)
