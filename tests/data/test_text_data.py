import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.data import TextData


def of(texts):
    return TextData.of(texts, Labels.of([0] * len(texts)))


@given(st.lists(st.text(max_size=6), min_size=1, max_size=10), st.data())
def test_ids_move_with_their_texts(texts, draw):
    data = of(texts)
    rows = np.array(draw.draw(st.permutations(range(len(texts)))))
    assert of([texts[row] for row in rows]).fingerprint == data.fingerprint
    part = data.take(rows)
    assert part.texts == tuple(texts[row] for row in rows)
    assert part.digests == of([texts[row] for row in rows]).digests
    assert part.ids.tolist() == data.ids[rows].tolist()


def test_it_is_a_dataset_and_shows_its_text():
    data = of(["a, b", ""])
    assert isinstance(data, Dataset)
    assert data.modality == "text"
    assert data.show(0) == {"text": "a, b"}
    assert data.texts == ("a, b", "")


def test_different_texts_have_different_digests():
    assert len(set(of(["a", "a ", "A", "", "1", "1.0"]).digests)) == 6


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, "", " \t\n"])
def test_missing_and_blank_texts_are_faults(missing):
    data = of(["a", missing, "b"])
    assert {name: fault.kind for name, fault in data.faults.items()} == {data.ids[1]: "empty"}
    assert not of(["a", "nan", "None"]).faults


def test_different_lengths_are_refused():
    with pytest.raises(InputError, match=r"as many texts as labels \(2\) .* got 1 texts"):
        TextData.of(["a"], Labels.of([0, 1]))
