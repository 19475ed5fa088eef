"""From data sets to model inputs, with one encoder fitted on the training data."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes, Modality
from chaffinch.data import (
    AudioData,
    ImageData,
    SeriesData,
    TableData,
    TensorData,
    TextData,
)
from chaffinch.models.encoding import (
    SeriesEncoder,
    SpectrogramEncoder,
    TableEncoder,
    TensorEncoder,
    TextEncoder,
    encode_pixels,
)
from chaffinch.models.inputs import DenseInputs, Inputs
from chaffinch.models.language.classification import TextModelFolder
from chaffinch.pipeline.features import FeatureReader, FeatureScaler

Encode = Callable[[Dataset], Inputs]

Reader = FeatureReader | TextModelFolder
"""What reads samples by a pre-trained encoder: to describe them by it, or to fine-tune it."""

_MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class Encoded:
    """Training samples and, where given, validation samples as model inputs.

    Attributes:
        inputs: N training samples.
        validation: M validation samples and their labels as codes of the training classes.
        notes: What the reader should know about the encoding.
        modality: What the inputs are to a model; features of an encoder are a table of numbers.
        encoder: Encodes further samples in the same way, where that is known.
    """

    inputs: Inputs
    validation: tuple[Inputs, Codes] | None
    notes: tuple[str, ...]
    modality: Modality
    encoder: Encode | None = None

    @property
    def is_image(self) -> bool:
        """Whether a sample has the shape of an image."""
        return len(self.inputs.shape) == 3


def encode(
    dataset: Dataset,
    validation: Dataset | None,
    own_model: bool,
    reader: Reader | None = None,
) -> Encoded:
    """Encode the data; the encoder learns from the training samples only.

    Args:
        dataset: N training samples.
        validation: M validation samples of the same kind, or None.
        own_model: Whether a user's model will read them. It gets dense text features, and tensors
            as they are.
        reader: What turns samples into features, or texts into tokens; without one, encoders are
            fitted that know nothing beforehand.

    Raises:
        InputError: Validation data of another kind, or with classes that training lacks.
    """
    modality: Modality = dataset.modality
    if isinstance(reader, TextModelFolder):
        encoder, notes = _token_encoder(dataset, reader)
    elif reader is not None:
        encoder, notes = _feature_encoder(dataset, reader), ()
        modality = "table"
    else:
        encoder, notes = _encoder(dataset, own_model)
    if validation is None:
        return Encoded(encoder(dataset), None, notes, modality, encoder)
    if type(validation) is not type(dataset):
        raise InputError(
            f"validation data of the kind of the training data ({dataset.modality})",
            validation.modality,
            "Give both in the same form",
        )
    codes = _codes(dataset, validation)
    notes = (*notes, *_lacking(dataset, codes))
    both = encoder(dataset), (encoder(validation), codes)
    return Encoded(*both, notes, modality, encoder)


def _lacking(dataset: Dataset, codes: Codes) -> tuple[str, ...]:
    """A note on the classes of the training samples that no validation sample has."""
    labels = dataset.labels
    absent = np.setdiff1d(np.flatnonzero(labels.counts), codes)
    if not len(absent):
        return ()
    names = ", ".join(labels.names[code] for code in absent[:_MOST_NAMED])
    more = f" and {len(absent) - _MOST_NAMED} more" if len(absent) > _MOST_NAMED else ""
    return (
        f"The validation data have no sample of {names}{more}: samples with these labels were not "
        "compared with them, so corrupted ones and clusters among them were not looked for.",
    )


def _feature_encoder(dataset: Dataset, reader: FeatureReader) -> Encode:
    scaled = FeatureScaler(reader.features(dataset))
    return lambda data: scaled.encode(reader.features(data))


def _token_encoder(dataset: Dataset, folder: TextModelFolder) -> tuple[Encode, tuple[str, ...]]:
    train = folder.read(_texts(dataset))
    notes: tuple[str, ...] = (
        "No canaries were trained: texts that a language model reads cannot be crossed.",
    )
    if cut := folder.num_cut(train):
        notes = (f"{cut:,} texts were cut at {train.shape[0]} tokens (--length).", *notes)

    def encoder(data: Dataset) -> Inputs:
        return train if data is dataset else folder.read(_texts(data))

    return encoder, notes


def _texts(data: Dataset) -> tuple[str, ...]:
    if isinstance(data, TextData):
        return data.texts
    raise InputError(
        "texts, which the model in a folder reads",
        f"data of modality {data.modality!r}",
        "Name the text column with --text, or give a model for such data",
    )


def _encoder(dataset: Dataset, own_model: bool) -> tuple[Encode, tuple[str, ...]]:
    if isinstance(dataset, TableData):
        table = TableEncoder(dataset.frame)
        return lambda data: table.encode(data.frame), tuple(table.notes)
    if isinstance(dataset, TextData):
        text = TextEncoder(dataset.texts, dense=own_model)
        return lambda data: text.encode(data.texts), ()
    if isinstance(dataset, ImageData):
        side, channels = dataset.shape[:2], dataset.shape[2]
        span = dataset.span  # that of the training images, whatever the others hold

        def pixels(data: Dataset) -> Inputs:
            if not isinstance(data, ImageData):
                raise TypeError(type(data).__name__)
            alike = replace(data, span=span)
            return encode_pixels(alike.pixels(side, channels=channels))

        return pixels, ()
    if isinstance(dataset, AudioData):
        return _sound_encoder(dataset), ()
    if isinstance(dataset, SeriesData):
        return _series_encoder(dataset), ()
    if isinstance(dataset, TensorData):
        if own_model:
            return lambda data: DenseInputs(data.x), ()
        tensor = TensorEncoder(dataset.x)
        return lambda data: tensor.encode(data.x), ()
    raise InputError(
        "a table, images, texts, sounds, series or tensors",
        type(dataset).__name__,
        "Use chaffinch.data.open_data",
    )


def _sound_encoder(dataset: AudioData) -> Encode:
    found = dataset.log_mel()
    fitted = SpectrogramEncoder(found)
    train = fitted.encode(found)

    def spectrograms(data: Dataset) -> Inputs:
        if data is dataset:
            return train
        if not isinstance(data, AudioData):
            raise TypeError(type(data).__name__)
        return fitted.encode(data.like(dataset).log_mel())

    return spectrograms


def _series_encoder(dataset: SeriesData) -> Encode:
    fitted = SeriesEncoder(*dataset.array())

    def series(data: Dataset) -> Inputs:
        if not isinstance(data, SeriesData):
            raise TypeError(type(data).__name__)
        return fitted.encode(*data.like(dataset).array())

    return series


def _codes(dataset: Dataset, validation: Dataset) -> Codes:
    """Validation labels as codes of the training classes."""
    place = {name: code for code, name in enumerate(dataset.labels.names)}
    names = validation.labels.names
    unknown = [name for name in names if name not in place]
    if unknown:
        raise InputError(
            f"validation labels among the training classes ({', '.join(list(place)[:8])}, ...)",
            f"{len(unknown)} others, such as {unknown[0]!r}",
            "Check that both sets use the same labels",
        )
    codes = np.asarray([place[name] for name in names], dtype=np.int64)
    return codes[validation.labels.codes]
