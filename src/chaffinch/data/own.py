"""The kinds of data of our own, whose samples can be taken, relabelled and shown."""

from typing import Any, TypeGuard

from chaffinch.data.audio import AudioData
from chaffinch.data.image import ImageData
from chaffinch.data.series import SeriesData
from chaffinch.data.table import TableData
from chaffinch.data.tensor import TensorData
from chaffinch.data.text import TextData

OwnData = TableData | TextData | ImageData | AudioData | SeriesData | TensorData


def is_own(data: Any) -> TypeGuard[OwnData]:
    """Whether data are of one of our own kinds."""
    return isinstance(data, OwnData)
