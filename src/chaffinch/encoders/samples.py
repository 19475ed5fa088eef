"""From data sets to what encoders take: images, texts, waveforms, tensors."""

import numpy as np
import torch
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.data import AudioData, ImageData, SeriesData, TableData, TensorData, TextData
from chaffinch.data.image_file import UNREADABLE, decode, read_header
from chaffinch.data.picture import fit, shallow
from chaffinch.encoders.encoder import Rows, Samples

MOST_SIDE = 224
"""Images of different sizes are brought to the median side for a function, but at most to this."""

SPEECH_RATE = 16_000
"""In Hz; what models of sounds read unless they say otherwise."""

_LOOKED_AT = 1000
_LONGEST_SOUND = 30.0  # seconds; most models of sounds read no more
_LARGEST_SHORT_SIDE = 768  # processors make them smaller yet; a batch of photos is a gigabyte


def pictures(data: ImageData) -> Samples:
    """Images of their own sizes, but the shorter side at most 768: lists of (H, W, 3) uint8."""

    def batch(rows: Rows) -> list[NDArray[np.uint8]]:
        return [_picture(data, int(row), None) for row in rows]

    return Samples("pictures", data.digests, batch)


def image_tensors(data: ImageData, size: int | tuple[int, int] | None) -> Samples:
    """Images of one size: (B, 3, H, W) float32 in 0..1.

    Args:
        data: The images; grey ones get three equal channels.
        size: Side, or height and width; by default their own where all are of one size, else the
            median side, at most `MOST_SIDE`.
    """
    wanted = (size, size) if isinstance(size, int) else size or _common_size(data)

    def batch(rows: Rows) -> torch.Tensor:
        pixels = np.stack([_picture(data, int(row), wanted) for row in rows])
        return torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()).float() / 255

    return Samples(f"images {wanted[0]}x{wanted[1]}", data.digests, batch)


def texts(data: TextData) -> Samples:
    """Lists of texts, in order of their length."""
    sizes = np.asarray([len(text) for text in data.texts])

    def batch(rows: Rows) -> list[str]:
        return [data.texts[row] for row in rows]

    return Samples("texts", data.digests, batch, sizes)


def tensors(data: TensorData) -> Samples:
    """(B, ...) tensors of the type that they came in."""
    return Samples("tensors", data.digests, lambda rows: data.x[torch.from_numpy(rows)])


def tables(data: TableData) -> Samples:
    """DataFrames of B rows."""
    return Samples("rows", data.digests, lambda rows: data.frame.iloc[rows])


def sound_tensors(data: AudioData, rate: int | None) -> Samples:
    """(B, T) float32 samples in -1..1, all of one length.

    Args:
        data: The sounds; shorter ones stand in the middle of zeros, longer ones lose their ends.
        rate: Sampling rate in Hz; by default that of the data.
    """
    wanted = rate or data.rate

    def batch(rows: Rows) -> torch.Tensor:
        return torch.from_numpy(np.stack([data.fixed(int(row), wanted) for row in rows]))

    return Samples(f"sounds {wanted} Hz {data.seconds:g} s", data.digests, batch)


def series_tensors(data: SeriesData) -> Samples:
    """(B, F, T) float32 series of one length."""
    values, _ = data.array()
    form = f"series of {values.shape[2]} steps"
    return Samples(form, data.digests, lambda rows: torch.from_numpy(values[rows]))


def waveforms(data: Dataset, rate: int = SPEECH_RATE) -> Samples:
    """Lists of (T,) float32: sounds, tensors of one dimension, or rows of a table of numbers.

    Args:
        data: The samples.
        rate: Sampling rate in Hz to which sounds are brought; arrays are taken as they are. Of
            sounds of more than 30 seconds the middle is taken.

    Raises:
        InputError: Samples of another form.
    """
    if isinstance(data, AudioData):
        return _heard(data, rate)
    if isinstance(data, TensorData):
        flat = data.x.squeeze(1) if data.x.ndim == 3 and data.x.shape[1] == 1 else data.x
        values = flat.float().numpy() if flat.ndim == 2 and not flat.is_complex() else None
    elif isinstance(data, TableData) and all(
        is_numeric_dtype(kind) and not is_bool_dtype(kind) for kind in data.frame.dtypes
    ):
        values = data.frame.to_numpy(np.float32, na_value=np.nan)
    else:
        values = None
    if values is None:
        raise wrong_medium(
            "waveforms", data, "Give sound files, or (N, T) numbers, one waveform a row"
        )
    if not np.isfinite(values).all():
        raise InputError(
            "waveforms of finite numbers",
            f"{int((~np.isfinite(values)).any(axis=1).sum()):,} with NaN or infinite values",
            "Drop these samples or fill the values in",
        )
    return Samples("waveforms", data.digests, lambda rows: [values[row] for row in rows])


def _heard(data: AudioData, rate: int) -> Samples:
    lengths = [0.0 if header is None else header.seconds for header in data.headers]

    def batch(rows: Rows) -> list[NDArray[np.float32]]:
        return [data.wave(int(row), rate, _LONGEST_SOUND) for row in rows]

    return Samples(f"waveforms at {rate} Hz", data.digests, batch, np.asarray(lengths))


def wrong_medium(wanted: str, data: Dataset, remedy: str) -> InputError:
    """The error for an encoder of another kind of samples."""
    return InputError(f"{wanted}", f"data of modality {data.modality!r}", remedy)


def _common_size(data: ImageData) -> tuple[int, int]:
    if isinstance(data.store, np.ndarray):
        return data.shape[:2]
    sizes = set()
    step = max(1, len(data) // _LOOKED_AT)
    for file in data.store[::step]:
        try:
            header = read_header(file, data.max_pixels)
        except UNREADABLE:
            continue
        sizes.add((header.height, header.width))
    if len(sizes) == 1:
        height, width = sizes.pop()
        if max(height, width) <= MOST_SIDE:
            return height, width
    side = min(MOST_SIDE, int(np.median([one for size in sizes for one in size] or [MOST_SIDE])))
    return side, side


def _picture(data: ImageData, row: int, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    stored = data.store[row]
    if isinstance(stored, np.ndarray):
        return shallow(fit(stored, size or stored.shape[:2], 3, data.span))
    try:
        if size is None:
            header = read_header(stored, data.max_pixels)
            scale = _LARGEST_SHORT_SIDE / min(header.height, header.width)
            if scale < 1:
                size = round(header.height * scale), round(header.width * scale)
        return shallow(decode(stored, size, 3, data.span, data.max_pixels))
    except UNREADABLE as error:  # it has gone, or changed, since the data were opened
        name = f"row {row}" if isinstance(stored, bytes) else repr(str(stored))
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"readable images in {data.source}", f"{name} ({reason})", "Remove or replace it"
        ) from error
