"""Readers that turn files and objects into labelled data sets."""

from chaffinch.data.audio import AudioData
from chaffinch.data.image import ImageData
from chaffinch.data.image_survey import LARGEST_SIDE
from chaffinch.data.opening import open_data
from chaffinch.data.series import SeriesData
from chaffinch.data.table import TableData
from chaffinch.data.tensor import TensorData
from chaffinch.data.text import SEPARATOR, TextData

__all__ = [
    "LARGEST_SIDE",
    "SEPARATOR",
    "AudioData",
    "ImageData",
    "SeriesData",
    "TableData",
    "TensorData",
    "TextData",
    "open_data",
]
