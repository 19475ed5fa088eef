import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from planted_images import FAULTS, write_folder

import chaffinch as cf
from chaffinch.checks.image import blurry_images, gray_images, odd_logarithms, poor_images
from chaffinch.checks.image_property import FIELDS, blur_of, measure, measure_images
from chaffinch.checks.tail import beyond
from chaffinch.core.labels import Labels
from chaffinch.data import ImageData

GRAY = hnp.arrays(np.uint8, st.tuples(st.integers(16, 40), st.integers(16, 40)))


@pytest.fixture(scope="module")
def checked(planted_folder):
    return cf.check(planted_folder[0])


@pytest.mark.parametrize("fault", [*FAULTS, "exact_duplicates", "near_duplicates", "unreadable"])
def test_a_planted_fault_is_found_and_nothing_else(checked, planted_folder, fault):
    assert set(checked.samples(fault)["source"]) == planted_folder[1][fault]


def test_scores_are_between_0_and_1_and_those_of_planted_samples_the_worst(checked, planted_folder):
    by_source = checked.table.set_index("source")
    for fault in FAULTS:
        scores = by_source[f"check_{fault}_score"]
        assert scores.between(0, 1).all()
        assert set(scores.nlargest(2).index) == planted_folder[1][fault]


@pytest.mark.parametrize("factor", [1.0, 0.2])
def test_nothing_is_flagged_in_clean_images_however_dark_all_are(images, factor):
    pixels = np.stack([np.asarray(image) for image in images])
    labels = np.random.default_rng(0).integers(0, 2, len(pixels))
    found = cf.check(((pixels * factor).astype(np.uint8), labels))
    assert found.issues.empty, found.summary()


def test_colour_that_tells_the_class_is_a_spurious_correlation(images):
    pixels = np.stack([np.asarray(image) for image in images])
    labels = np.arange(len(pixels)) % 2
    tinted = pixels.copy()
    tinted[labels == 1, ..., 0] //= 4
    found = cf.check((tinted, labels)).issues.set_index("issue")
    assert any(name.startswith("red") for name in found.loc["spurious_correlations", "names"])


def test_images_need_no_classes(tmp_path, images):
    write_folder(tmp_path, images[:60], classes=("all/deep",))
    found = cf.check(tmp_path)
    assert len(found.table) == 60
    assert "label_variants" not in found.checked


@given(GRAY)
def test_blur_is_that_of_a_loop_in_float64(gray):
    assert blur_of(gray) == pytest.approx(max(slow_blur(gray), slow_blur(gray.T)), abs=1e-4)


def slow_blur(gray, width=9):
    """Crete's measure along the first axis, pixel by pixel."""
    image = gray.astype(np.float64)
    reach = min(width, max(3, len(image) // 4)) // 2
    smooth = np.empty_like(image)
    for row in range(len(image)):
        around = [min(max(row + step, 0), len(image) - 1) for step in range(-reach, reach + 1)]
        smooth[row] = image[around].mean(axis=0)
    total = lost = 0.0
    for row in range(1, len(image)):
        for column in range(image.shape[1]):
            sharp = abs(image[row, column] - image[row - 1, column])
            soft = abs(smooth[row, column] - smooth[row - 1, column])
            total, lost = total + sharp, lost + max(0.0, sharp - soft)
    return (total - lost) / total if total else 0.0


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3))))
@example(np.repeat([5, 9, 14], [2, 5, 133]).astype(np.uint8)[:, None, None] * np.ones(3, np.uint8))
def test_measures_are_those_of_their_definitions(pixels):
    found = dict(zip(FIELDS[2:], measure(pixels), strict=True))
    gray = pixels.astype(np.float64) @ [0.299, 0.587, 0.114]
    whole = np.sort(np.rint(gray.astype(np.float32)).ravel())
    for name, percent in (("low", 5), ("high", 99)):
        exact = whole[math.ceil(Fraction(percent * whole.size, 100)) - 1] / 255
        assert found[name] == pytest.approx(exact, abs=1.01 / 255)
    shares = np.unique(whole, return_counts=True)[1] / whole.size
    assert found["entropy"] == pytest.approx(float(-(shares * np.log2(shares)).sum()), abs=0.1)
    assert found["mean"] == pytest.approx(gray.mean() / 255, abs=1e-5)
    spread = pixels.max(axis=2).astype(float) - pixels.min(axis=2)
    assert found["chroma"] == pytest.approx(spread.mean() / 255, abs=1e-6)


@pytest.mark.slow
def test_processes_give_what_one_process_gives(monkeypatch, images):
    pixels = np.stack([np.asarray(image) for image in images])
    data = ImageData.of_arrays(pixels, Labels.of([0] * len(pixels)))
    alone = measure_images([data])
    monkeypatch.setattr("chaffinch.checks.image_property._TRIAL", 0.0)
    monkeypatch.setattr("chaffinch.checks.image_property._WORTH", -1.0)
    monkeypatch.setattr("chaffinch.checks.image_property._CHUNK", 80)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    together = measure_images([data])
    np.testing.assert_array_equal(alone.values, together.values)
    np.testing.assert_array_equal(alone.thumbnails, together.thumbnails)


def test_the_tail_is_beyond_three_interquartile_ranges():
    values = np.asarray([*range(100), 400.0, -400.0, np.nan])
    assert np.flatnonzero(beyond(values, "high")).tolist() == [100]
    assert np.flatnonzero(beyond(values, "low")).tolist() == [101]
    assert not beyond(np.full(5, np.nan), "high").any()


def test_what_is_usual_is_not_odd():
    sides = np.log(np.repeat([32.0, 64.0], [50, 50]))
    assert not odd_logarithms(sides, 1.5)[0].any()
    assert not odd_logarithms(np.full(9, np.nan), 1.5)[0].any()
    assert not gray_images(np.repeat([0.0, 0.2], [30, 70]))[0].any()
    assert poor_images(np.asarray([0.0, 0.0, 7.0, 7.0]))[0].tolist() == [True, True, False, False]
    assert not blurry_images(np.full(10, 0.9), np.full(10, 7.0))[0].any()
