import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch import corruptions
from chaffinch.core.errors import InputError
from chaffinch.corruptions.text import misspell

IMAGES = [name for name, one in corruptions.SAMPLE_CORRUPTIONS.items() if one.form == "image"]
TEXTS = [name for name, one in corruptions.SAMPLE_CORRUPTIONS.items() if one.form == "text"]
NUMBERS = ["scale", "swap", "scramble", "missing_as_zero"]
WORDS = ["the", "owl's", "nest", "was", "built", "in", "an", "old", "oak", "tree"]


def photos(count, shape, seed=0):
    """Smooth images with some noise, so that every corruption shows."""
    random = np.random.default_rng(seed)
    rows, columns = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    base = 60 + 60 * np.sin(rows / 3) * np.cos(columns / 2)
    base = base.reshape(base.shape + (1,) * (len(shape) - 2))
    return (base + random.integers(0, 60, (count, *shape))).astype(np.uint8)


def labels(count):
    return np.arange(count) % 2


@pytest.mark.parametrize("shape", [(12, 10), (12, 10, 3), (8, 16, 1), (8, 8, 4)], ids=str)
@pytest.mark.parametrize("name", IMAGES)
@settings(max_examples=5)
@given(rate=st.floats(0, 1), severity=st.integers(1, 5), seed=st.integers(0, 9))
def test_images_are_spoilt_exactly(name, shape, rate, severity, seed):
    images = photos(11, shape)
    before = images.copy()
    found = corruptions.apply(name, images, labels(11), rate, seed, severity=severity)
    assert (images == before).all()
    assert found.samples.dtype == np.uint8
    changed = (found.samples != images).reshape(11, -1).any(axis=1)
    assert changed.sum() == round(rate * 11)
    assert (changed == found.errors).all()
    assert (found.labels == labels(11)).all()
    assert set(found.table.kind) <= {"outlier"}
    assert set(found.table.detail) <= {f"{name}, severity {severity}"}
    again = corruptions.apply(name, images, labels(11), rate, seed, severity=severity)
    assert (again.samples == found.samples).all()


@pytest.mark.parametrize("name", IMAGES)
def test_a_severer_corruption_changes_images_more(name):
    images = photos(40, (32, 32, 3)).astype(np.float64)
    away = [
        abs(corruptions.apply(name, images.astype(np.uint8), labels(40), 1, 0, severity=one).samples
            - images).mean()
        for one in (1, 3, 5)
    ]  # fmt: skip
    assert away[0] < away[1] < away[2]


def test_what_each_image_corruption_does():
    images = photos(6, (16, 16))
    spoil = {name: corruptions.apply(name, images, labels(6), 1, 0).samples for name in IMAGES}
    full = images.astype(int)
    assert (spoil["brightness"] == np.minimum(np.rint(full + 255 * np.float32(0.35)), 255)).all()
    whites = (spoil["stripes"] == 255).mean(axis=(1, 2))
    assert ((whites > 0.3) & (whites < 0.5)).all()  # 2 lines of 5
    assert abs((spoil["gaussian_noise"] - full).std() / 51 - 1) < 0.2
    assert (abs(spoil["contrast"].mean((1, 2)) - full.mean((1, 2))) < 1).all()
    assert (abs(spoil["contrast"].std((1, 2)) / full.std((1, 2)) - 0.3) < 0.02).all()
    assert ((spoil["occlusion"] == 127).sum((1, 2)) >= 36).all()  # 6 x 6 of 16 x 16
    rough = abs(np.diff(full, axis=2)).mean()
    assert abs(np.diff(spoil["blur"].astype(int), axis=2)).mean() < 0.7 * rough


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "uint16"])
@pytest.mark.parametrize("name", NUMBERS)
@settings(max_examples=10)
@given(rate=st.floats(0, 1), severity=st.integers(1, 5), width=st.integers(2, 9))
def test_rows_of_numbers_are_spoilt_exactly(name, kind, rate, severity, width):
    x = np.random.default_rng(width).integers(1, 200, (30, width)).astype(kind)
    x[:, 0] = 250  # no row is constant
    before = x.copy()
    found = corruptions.apply(name, x, labels(30), rate, 3, severity=severity)
    assert (x == before).all()
    assert found.samples.dtype == x.dtype
    changed = (found.samples != x).any(axis=1)
    assert (changed == found.errors).all()
    assert changed.sum() == round(rate * 30)
    if name in ("swap", "scramble"):
        assert (np.sort(found.samples, axis=1) == np.sort(x, axis=1)).all()
    if name == "swap":
        assert ((found.samples != x).sum(1) <= 2 * (1, 2, 3, 5, 8)[severity - 1]).all()
    if name == "missing_as_zero":
        assert (found.samples[found.samples != x] == 0).all()
    if name == "scale":
        wrong = found.samples != x
        assert (found.samples[wrong] == 10 * x[wrong]).all()


def frame(count=40):
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "whole": random.integers(1, 100, count),
            "small": random.integers(50, 120, count).astype(np.int8),
            "real": random.normal(5, 1, count),
            "maybe": pd.array([None if i % 5 == 0 else i for i in range(count)], dtype="Int64"),
            "yes": random.random(count) < 0.5,
            "word": random.choice(["apple", "pear", "fig"], count),
            "group": pd.Categorical(random.choice(["x", "y"], count)),
        },
        index=np.arange(count) * 3,
    )


@pytest.mark.parametrize("name", [*NUMBERS, "typo"])
def test_frames_keep_types_index_and_other_rows(name):
    table, before = frame(), frame()
    found = corruptions.apply(name, table, labels(40), 0.3, 1, severity=5)
    pd.testing.assert_frame_equal(table, before)
    assert (found.samples.dtypes == table.dtypes).all()
    pd.testing.assert_frame_equal(found.samples[~found.errors], table[~found.errors])
    spoilt, whole = found.samples[found.errors], table[found.errors]
    columns = {"typo": ["word"]}.get(name, ["whole", "small", "real", "maybe"])
    other = [column for column in table if column not in columns]
    pd.testing.assert_frame_equal(spoilt[other], whole[other])
    differs = (spoilt[columns] != whole[columns]).fillna(False).any(axis=1)
    assert differs.all()
    if name == "scale":
        assert (spoilt.small == 127).all()  # cut to what int8 holds
        assert (spoilt.maybe.isna() == whole.maybe.isna()).all()


@pytest.mark.parametrize("name", TEXTS)
@settings(max_examples=20)
@given(
    texts=st.lists(
        st.lists(st.sampled_from(WORDS), min_size=2, max_size=20).map(" ".join),
        min_size=1, max_size=12,
    ),
    rate=st.floats(0, 1),
    severity=st.integers(1, 5),
)  # fmt: skip
def test_texts_are_spoilt_exactly(name, texts, rate, severity):
    texts = [f"{text} end" for text in texts]
    before = list(texts)
    found = corruptions.apply(name, texts, labels(len(texts)), rate, 5, severity=severity)
    assert texts == before
    changed = np.array([a != b for a, b in zip(texts, found.samples, strict=True)])
    assert (changed == found.errors).all()
    assert changed.sum() == round(rate * len(texts))
    for old, new in zip(texts, found.samples, strict=True):
        if name == "shuffled_words":
            assert sorted(old.split()) == sorted(new.split())
        if name == "truncated":
            assert old.startswith(new)
        if name == "boilerplate":
            assert old in new
        if name == "wrong_encoding" and old != new:
            read = new.encode("latin-1").decode()
            plain = read.replace("\N{NO-BREAK SPACE}", " ").replace("\u2019", "'")
            assert plain.removeprefix("\ufeff") == old


def test_single_words_are_spoilt_too():
    for name in ("typos", "truncated", "boilerplate", "wrong_encoding"):
        assert corruptions.apply(name, ["word"], [0], 1, 0).samples != ["word"]


@pytest.mark.parametrize(
    ("name", "samples", "options", "message"),
    [
        ("brightness", np.zeros((4, 8, 8)), {}, "uint8 images.*got an array of float64"),
        ("scale", list("abcd"), {}, "a DataFrame or a numeric array.*got a list of texts"),
        ("typos", np.zeros((4, 2)), {}, "a list of texts for 'typos'"),
        ("typo", np.zeros((4, 2)), {}, "a DataFrame for 'typo'"),
        ("scale", pd.DataFrame({"s": list("abcd")}), {}, "at least one column of numbers"),
        ("typo", pd.DataFrame({"n": range(4)}), {}, "at least one column of strings"),
        ("blur", np.zeros((4, 8, 8), np.uint8), {"severity": 6}, "a severity from 1 to 5; got 6"),
        ("blur", np.zeros((3, 8, 8), np.uint8), {}, "one label for each of 3 samples"),
        ("blur", np.zeros((4, 8, 8), np.uint8), {"among": np.ones(3)}, r"a mask \(4,\)"),
    ],
    ids=range(9),
)
def test_bad_corruptions_say_what_to_do(name, samples, options, message):
    with pytest.raises(InputError, match=message):
        corruptions.apply(name, samples, labels(4), 0.5, 0, **options)


@pytest.mark.parametrize("text", ["a", "aa", "oooo"])
def test_a_misspelt_text_is_another(text):
    for seed in range(30):
        assert misspell(text, 1, np.random.default_rng(seed)) != text
