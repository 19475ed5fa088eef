import io
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.data import ImageData
from chaffinch.data.image_file import decode, read_raw

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (4, 6, 5, 3)).astype(np.uint8)


def of(images):
    return ImageData.of_arrays(images, Labels.of([0] * len(images)))


def png(array, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def files(*arrays):
    return ImageData.of_files([png(array) for array in arrays], Labels.of([0] * len(arrays)))


def test_all_layouts_give_the_same_pixels_and_ids():
    last, first = of(COLOUR), of(np.moveaxis(COLOUR, 3, 1))
    assert isinstance(last, Dataset)
    assert last.modality == "image"
    assert np.array_equal(last.pixels(), COLOUR)
    assert np.array_equal(first.pixels(), COLOUR)
    assert first.fingerprint == last.fingerprint
    grey = of(COLOUR[..., 0])
    assert grey.shape == (6, 5, 1)
    assert grey.fingerprint == of(COLOUR[..., :1]).fingerprint


def test_opacity_is_dropped():
    opaque = np.concatenate([COLOUR, COLOUR[..., :1]], axis=3)
    assert np.array_equal(of(opaque).pixels(), COLOUR)


@given(hnp.arrays(np.uint8, (2, 3, 5)))
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, np.int64])
def test_pixels_come_back_exactly_from_any_type(dtype, pixels):
    assert np.array_equal(of(pixels.astype(dtype) + dtype(0)).pixels()[..., 0], pixels) or (
        np.issubdtype(dtype, np.floating) and pixels.max() <= 1  # 0 and 1 read as black and white
    )
    if np.issubdtype(dtype, np.floating):
        assert np.array_equal(of(pixels.astype(dtype) / dtype(255)).pixels()[..., 0], pixels)


def test_pixels_are_rounded():
    assert of(np.array([[[0.0, 0.499, 0.999]]])).pixels().ravel().tolist() == [0, 127, 255]
    assert of(np.array([[[0.4, 0.6, 254.6]]])).pixels().ravel().tolist() == [0, 1, 255]


def test_black_and_white_is_0_and_255():
    assert set(np.unique(of(COLOUR > 99).pixels())) == {0, 255}


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((2, 3, 8, 3)), r"shape \(2, 3, 8, 3\), where both the second and the last axis"),
        (np.zeros((2, 5, 8, 7)), r"1, 3 or 4 channels .* got shape \(2, 5, 8, 7\)"),
        (np.zeros((2, 5)), r"\(N, H, W\).* got shape \(2, 5\)"),
        (np.full((2, 5, 5), np.nan), "finite pixels .* got 50 NaN or infinite values"),
        (np.full((2, 5, 5), np.inf), "finite pixels .* got 50 NaN or infinite values"),
        (np.full((2, 5, 5), 256.0), r"pixels in 0\.\.1 or 0\.\.255 .* values from 256\.0 to 256"),
        (np.full((2, 5, 5), -0.5), r"values from -0\.5 .* Undo the normalisation"),
        (np.full((2, 5, 5), "a"), "numbers in images in memory; got type <U1"),
    ],
)
def test_unusable_arrays_are_refused(images, words):
    with pytest.raises(InputError, match=words):
        of(images)


def test_different_lengths_are_refused():
    with pytest.raises(InputError, match=r"as many images as labels \(1\) .* got 4 images"):
        ImageData.of_arrays(COLOUR, Labels.of([0]))


@given(st.permutations(range(4)))
def test_ids_move_with_their_images(rows):
    rows = np.array(rows)
    data, moved = of(COLOUR), of(COLOUR[rows])
    assert moved.ids.tolist() == data.ids[rows].tolist()
    assert moved.fingerprint == data.fingerprint
    part = data.take(rows[:2])
    assert np.array_equal(part.pixels(), COLOUR[rows[:2]])
    assert part.digests == moved.digests[:2]


def test_stored_pixels_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        of(COLOUR).pixels()[0] = 0


def test_files_of_one_size_keep_it_and_are_decoded_exactly():
    data = files(*COLOUR)
    assert data.shape == (6, 5, 3)
    assert np.array_equal(data.pixels(), COLOUR)
    assert np.array_equal(data.show(2)["image"], COLOUR[2])
    assert data.files is None


def test_files_of_different_sizes_come_to_the_median_side_at_most_64():
    data = files(COLOUR[0], RNG.integers(0, 256, (20, 10, 3)).astype(np.uint8), COLOUR[1])
    assert data.pixels().shape == (3, 6, 6, 3)
    large = [np.zeros((side, 300), np.uint8) for side in (200, 100, 150)]
    assert files(*large).pixels().shape == (3, 64, 64, 1)


def test_grey_files_stay_grey_unless_one_has_colour():
    assert files(COLOUR[0, ..., 0]).pixels().shape == (1, 6, 5, 1)
    mixed = files(COLOUR[0, ..., 0], COLOUR[1])
    assert mixed.pixels().shape == (2, 6, 5, 3)
    assert np.array_equal(mixed.pixels()[0, ..., 2], COLOUR[0, ..., 0])
    # A part keeps the form of the whole, or folds could not be compared.
    assert mixed.take(np.array([0])).pixels().shape == (1, 6, 5, 3)


@pytest.mark.parametrize("data", [of(COLOUR), files(*COLOUR)])
def test_size_and_channels_can_be_asked_for(data):
    assert data.pixels(9).shape == (4, 9, 9, 3)
    assert data.pixels((3, 4), channels=1).shape == (4, 3, 4, 1)
    assert data.pixels(channels=1).shape == (4, 6, 5, 1)
    assert of(COLOUR[..., 0]).pixels(3, channels=3).shape == (4, 3, 3, 3)


def test_a_flat_image_stays_flat_when_resized():
    assert np.unique(of(np.full((1, 7, 5, 3), 93, np.uint8)).pixels(4)).tolist() == [93]


@pytest.mark.parametrize("span", [(0, 65_535), (0, 4095), (29_000, 31_000), (7, 8)])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_deep_files_keep_their_range(span, kind):
    deep = RNG.integers(*span, (2, 6, 10), endpoint=True).astype(np.uint16)
    deep[0, 0, :2] = span
    data = ImageData.of_files([png(one, kind) for one in deep], Labels.of([0, 1]))
    assert data.span == span
    shares = data.pixels()[..., 0] / 65_535
    wanted = (deep.astype(float) - span[0]) / (span[1] - span[0])
    assert np.abs(shares - wanted).max() < 1e-5
    assert np.abs(data.show(1)["image"][..., 0] / 255 - wanted[1]).max() < 3e-3
    assert np.array_equal(data.take(np.array([1])).pixels(), data.pixels()[1:])


@pytest.mark.parametrize(
    "deep",
    [
        np.linspace(-1000, 3000, 60).reshape(1, 6, 10).astype(np.int32),
        np.linspace(-5, 0.5, 60).reshape(1, 6, 10).astype(np.float32),
    ],
)
def test_files_of_32_bits_keep_their_range(deep):
    data = ImageData.of_files([png(deep[0], "TIFF")], Labels.of([0]))
    wanted = (deep - deep.min()) / (deep.max() - deep.min())
    assert np.abs(data.pixels()[..., 0] / 65_535 - wanted).max() < 1e-4


def test_bytes_among_deep_images_have_their_own_range():
    deep, flat = np.full((4, 4), 50_000, np.uint16), np.full((4, 4, 3), 128, np.uint8)
    deep[0, 0] = 0
    pixels = files(deep, flat).pixels()
    assert pixels.dtype == np.uint16
    assert pixels.shape == (2, 4, 4, 3)
    assert pixels[0, 1, 1].tolist() == [65_535] * 3
    assert pixels[1, 1, 1].tolist() == [128 * 257] * 3


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.int64])
def test_deep_arrays_keep_their_range(dtype):
    deep = RNG.integers(0, 4096, (3, 5, 6)).astype(dtype)
    deep[0, 0, :2] = (0, 4095)
    data = of(deep)
    assert np.abs(data.pixels()[..., 0] / 65_535 - deep / 4095).max() < 1e-5
    assert np.array_equal(data.store[..., 0], deep)
    small = data.pixels(3, channels=3)
    assert small.shape == (3, 3, 3, 3)
    assert abs(small.mean() / data.pixels().mean() - 1) < 0.2


def test_images_with_nan_are_faults():
    images = COLOUR / 255
    images[2, 1, 1, 0] = np.nan
    data = of(images)
    assert list(data.faults) == [data.ids[2]]
    assert np.array_equal(data.pixels()[[0, 1, 3]], COLOUR[[0, 1, 3]])


def turned(array, orientation, kind="JPEG"):
    buffer, image = io.BytesIO(), Image.fromarray(array)
    exif = image.getexif()
    exif[0x112] = orientation
    image.save(buffer, kind, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_the_right_way_up(orientation, kind):
    content = turned(RNG.integers(0, 256, (40, 24, 3)).astype(np.uint8), orientation, kind)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))
    data = ImageData.of_files([content], Labels.of([0]))
    assert data.shape == wanted.shape
    assert np.array_equal(data.pixels()[0], wanted)
    assert np.array_equal(data.show(0)["image"], wanted)
    assert np.array_equal(read_raw(content), wanted)


def test_a_large_jpeg_on_its_side_is_decoded_small():
    content = turned(np.repeat(np.arange(0, 256, 2, dtype=np.uint8), 8)[:, None].repeat(256, 1), 6)
    small = ImageData.of_files([content], Labels.of([0])).pixels((16, 64))[0, ..., 0].astype(int)
    assert (np.diff(small[8]) <= 0).all()  # darkest above before, rightmost now
    assert np.ptp(small[:, 8]) < 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "La"])
def test_all_modes_are_decoded_as_pillow_does(mode, monkeypatch):
    image = Image.fromarray(RNG.integers(0, 256, (8, 8, 3)).astype(np.uint8))
    image = image.convert("LA").convert("La") if mode == "La" else image.convert(mode)
    image.format = "test"
    monkeypatch.setattr(Image, "open", lambda _: image.copy())
    monkeypatch.setattr(image, "close", lambda: None, raising=False)
    plain = image.convert("LA") if mode == "La" else image
    pixels = decode(b"any", None, 3)
    assert np.array_equal(pixels, np.asarray(plain.convert("RGBA").convert("RGB")))


def test_images_of_too_many_pixels_are_unreadable_unless_allowed():
    wide = png(np.zeros((10, 500), np.uint8))
    small = [png(image) for image in COLOUR[:2]]
    data = ImageData.of_files([*small, wide], Labels.of([0, 1, 0]), max_pixels=4999)
    assert "500 x 10 pixels are more than 4,999; allow more with --max-pixels" in (
        data.faults[data.ids[2]].reason
    )
    assert not ImageData.of_files([*small, wide], Labels.of([0, 1, 0]), max_pixels=5000).faults


def test_the_limit_of_pillow_does_not_bind(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    data = files(np.zeros((30, 30), np.uint8))
    assert data.examined().pixels().shape == (1, 30, 30, 1)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_jpeg_palettes_and_transparency_are_decoded():
    palette = Image.new("P", (6, 6), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    buffer = io.BytesIO()
    palette.save(buffer, "PNG", transparency=bytes([0, 255]))
    flat = png(np.full((6, 6, 3), 200, np.uint8), "JPEG", quality=95)
    data = ImageData.of_files([buffer.getvalue(), flat], Labels.of([0, 1]))
    assert data.pixels()[0, 0, 0].tolist() == [10, 20, 30]
    assert abs(int(data.pixels()[1, 0, 0, 0]) - 200) < 3


def test_large_images_are_shown_small():
    image = files(np.zeros((100, 800, 3), np.uint8)).show(0)["image"]
    assert image.shape == (32, 256, 3)


def test_an_unreadable_file_is_named(tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(png(COLOUR[0]))
    bad.write_bytes(b"no image")
    none, empty = tmp_path / "none.png", tmp_path / "empty.png"
    empty.touch()
    data = ImageData.of_files([good, bad, none, empty], Labels.of([0, 1, 1, 0]))
    told = {row: data.faults.get(name) for row, name in enumerate(data.ids)}
    assert told[0] is None
    assert (told[1].kind, told[2].kind, told[3].kind) == ("unreadable", "unreadable", "empty")
    assert told[1].reason.startswith("cannot identify image file")
    assert told[2].reason == "no such file"
    assert data.shape == (6, 5, 3)
    assert data.show(1) == {"file": str(bad), "problem": told[1].reason}
    with pytest.raises(InputError, match=r"readable .* here; got 2 .* first .*bad\.png' \(cannot"):
        ImageData.of_files([bad, none], Labels.of([0, 1]), source="here")


def test_a_truncated_file_is_named_when_it_is_decoded(tmp_path):
    file = tmp_path / "half.png"
    content = png(RNG.integers(0, 256, (40, 40, 3)).astype(np.uint8))
    file.write_bytes(content[: len(content) // 2])
    data = ImageData.of_files([file], Labels.of([0]))
    with pytest.raises(InputError, match=r"readable images .* '.*half\.png' \(.*truncated"):
        data.pixels()
    assert "truncated" in data.examined().faults[data.ids[0]].reason
    assert "truncated" in data.show(0)["problem"]


def test_what_was_decoded_is_handed_over_once(monkeypatch):
    data = files(*COLOUR).examined()
    part = data.take(np.array([2, 0]))

    def decoded(*_args):
        raise AssertionError

    monkeypatch.setattr("chaffinch.data.image.decode", decoded)
    assert np.array_equal(data.pixels(), COLOUR)
    assert np.array_equal(part.pixels(), COLOUR[[2, 0]])
    with pytest.raises(AssertionError):  # decoded anew
        data.pixels()


def test_many_images_are_named_fast():
    images = np.random.default_rng(0).integers(0, 256, (60_000, 28, 28), dtype=np.uint8)
    start = time.perf_counter()
    of(images)
    assert time.perf_counter() - start < 3  # 0.5 s alone; the bound is for a busy machine
