import os

import numpy as np
import pytest
import torch
from torch import nn

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.encoders.feature_cache import FeatureCache

IMAGES = np.random.default_rng(0).integers(0, 255, (10, 8, 8, 3), dtype=np.uint8)


class Counting(nn.Module):
    seen = 0

    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((3,), weight))

    def forward(self, images):
        Counting.seen += len(images)
        return images.mean((2, 3)) * self.weight


@pytest.fixture(autouse=True)
def counted():
    Counting.seen = 0


def files(folder):
    return sorted(folder.rglob("*.npz"))


def test_only_what_is_missing_is_computed(own_cache):
    first = cf.encode(IMAGES[:6], Counting())
    assert Counting.seen == 6
    again = cf.encode(IMAGES[::-1], Counting())
    assert Counting.seen == 10
    np.testing.assert_array_equal(again[::-1][:6], first)
    cf.encode(IMAGES, Counting(2.0))  # other weights, other features
    assert Counting.seen == 20
    assert len({file.parent for file in files(own_cache)}) == 2


def test_copies_are_computed_once():
    found = cf.encode(np.repeat(IMAGES[:2], 5, axis=0), Counting())
    assert Counting.seen == 2
    np.testing.assert_array_equal(found[0], found[4])


def test_another_size_has_other_features(own_cache):
    small = Counting()
    small.image_size = 4
    cf.encode(IMAGES, Counting())
    cf.encode(IMAGES, small)
    assert Counting.seen == 20
    assert len(files(own_cache)) == 2


def test_no_cache_and_plain_functions_keep_nothing(own_cache):
    cf.encode(IMAGES, Counting(), cache=False)
    cf.encode(IMAGES, lambda batch: batch.mean((2, 3)))
    data = (np.concatenate([IMAGES] * 4), np.arange(40) % 2)
    cf.scan(data, encoder=Counting(), cache=False, epochs=1)
    assert not files(own_cache)


def test_a_function_with_a_key_is_remembered(own_cache):
    def mean(batch):
        Counting.seen += len(batch)
        return batch.mean((2, 3))

    mean.cache_key = "mean of channels, version 1"
    cf.encode(IMAGES, mean)
    cf.encode(IMAGES, mean)
    assert Counting.seen == 10


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "nan"])
def test_a_damaged_file_is_computed_anew(own_cache, damage, caplog):
    first = cf.encode(IMAGES, Counting())
    (file,) = files(own_cache)
    content = bytearray(file.read_bytes())
    if damage == "nan":
        with np.load(file) as arrays:
            named = arrays["digests"]
        np.savez(file, digests=named, features=np.full((10, 3), np.nan, np.float32))
    else:
        place = content.index(first[0].tobytes())
        content[place] ^= 255
        kept = {"cut": content[: len(content) // 2], "flipped": content, "empty": b""}[damage]
        file.write_bytes(kept)
    np.testing.assert_array_equal(cf.encode(IMAGES, Counting()), first)
    assert Counting.seen == 20
    assert "computed anew" in caplog.text
    np.testing.assert_array_equal(cf.encode(IMAGES, Counting()), first)
    assert Counting.seen == 20


def test_what_was_unused_for_longest_goes_first(tmp_path):
    rows = np.ones((100, 2), np.float32)
    FeatureCache(tmp_path / "one", 10**6).write("a", [f"{row:02}" for row in range(100)], rows)
    (one,) = files(tmp_path / "one")
    cache, tmp_path = FeatureCache(tmp_path / "two", one.stat().st_size * 5 // 2), tmp_path / "two"
    for number, key in enumerate("abc"):
        cache.write(key, [f"{row:02}" for row in range(100)], rows)
        if key in "ab":
            (file,) = [one for one in files(tmp_path) if one.stat().st_mtime > 10_000]
            os.utime(file, (number + 1, number + 1))
            assert len(files(tmp_path)) == number + 1
            if key == "b":  # used again: now the other is the older one
                assert len(cache.read("a", ["07"])) == 1
    assert len(cache.read("a", ["07"])) == len(cache.read("c", ["07"])) == 1
    assert not cache.read("b", ["07"])


def test_the_limit_is_that_of_the_environment(monkeypatch, own_cache):
    monkeypatch.setenv("CHAFFINCH_CACHE_GB", "0")
    cf.encode(IMAGES, Counting())
    assert not files(own_cache)
    monkeypatch.setenv("CHAFFINCH_CACHE_GB", "plenty")
    with pytest.raises(InputError, match="CHAFFINCH_CACHE_GB"):
        cf.encode(IMAGES, Counting())


def test_a_place_that_cannot_be_written_to_costs_nothing_else(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cf.encode(IMAGES, Counting()).shape == (10, 3)
    assert "could not be kept" in caplog.text


def test_an_interrupted_encoding_goes_on(monkeypatch, own_cache):
    monkeypatch.setattr("chaffinch.encoders.compute._KEPT_AT_ONCE", 4)

    class Failing(Counting):
        batch_size = 2

        def forward(self, images):
            if Counting.seen >= 6:
                raise KeyboardInterrupt
            return super().forward(images)

    with pytest.raises(KeyboardInterrupt):
        cf.encode(IMAGES, Failing())
    Counting.seen = 0
    with pytest.raises(KeyboardInterrupt):
        cf.encode(np.concatenate([IMAGES, IMAGES[:1] + 1]), Failing())
    assert sum(len(np.load(file)["digests"]) for file in files(own_cache)) == 8
