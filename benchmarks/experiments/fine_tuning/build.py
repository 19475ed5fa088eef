"""From a cell of the experiment ``text`` to a situation: draw, flip, encode, fine-tune, record."""

from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.cell import Cell
from benchmarks.experiments.detection.collect import BY_EPOCH
from benchmarks.experiments.fine_tuning.encoder import Encoder, find_encoder
from benchmarks.experiments.fine_tuning.net import TopLayers
from benchmarks.experiments.fine_tuning.settings import Settings
from benchmarks.experiments.fine_tuning.text_set import load_texts, split_texts
from benchmarks.experiments.retraining import Retrainer, saved_checkpoints
from benchmarks.situation import CLEAN, Situation
from chaffinch import corruptions
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.types import Codes, Mask
from chaffinch.data import TensorData
from chaffinch.pipeline.collect import collect_by_training
from chaffinch.pipeline.encode import Encoded
from chaffinch.pipeline.work import Work

_FLIPS = {
    "uniform_flips": corruptions.uniform_flips,
    "class_dependent_flips": corruptions.class_dependent_flips,
}
KIND = "mislabelled"


def build_situation(cell: Cell, settings: Settings, folder: Path) -> tuple[Situation, Retrainer]:
    """Fine-tune the encoder on texts with flipped labels, once, and record everything.

    Args:
        cell: The cell; its seed redraws texts, flips, folds and initial weights.
        settings: Its settings.
        folder: Where trainings and evidence are kept; a second call there trains nothing.

    Returns:
        The situation, and what trains again on repaired data.

    Raises:
        InputError: A text set, encoder or glitch that there is not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = load_texts(cell.data)
    splits = split_texts(texts, cell.seed, settings.sizes)
    truth = splits.codes[splits.train]
    given, wrong = flip(truth, cell)
    labels = Labels(given, np.arange(len(splits.classes)))
    encoder = Encoder(find_encoder())
    train, held, test = (
        (encoder.encode(texts.take(rows), settings.depth, settings.length), splits.codes[rows])
        for rows in (splits.train, splits.validation, splits.test)
    )
    inputs = train[0]
    work = Work(
        # The rows' numbers stand for the texts: of the data set only ids and labels are needed.
        TensorData.of(torch.arange(len(inputs))[:, None], labels, source=cell.data),
        Encoded(inputs, held, (), "text"),
        partial(TopLayers, encoder.top(settings.depth), encoder.heads, len(labels.classes)),
        settings.schedule,
        settings.folds,
        torch.device("cpu"),
        cell.seed,
        folder,
        keep_checkpoints=True,
        records=frozenset((*BY_EPOCH, *settings.collect)),
        fold_schedule=settings.fold_schedule,
    )
    evidence, model = collect_by_training(work)
    retrainer = Retrainer(work, test)
    situation = Situation(
        evidence,
        np.where(wrong, KIND, CLEAN).astype(np.str_),
        truth,
        inputs,
        held,
        test,
        work.factory,
        model.eval(),
        saved_checkpoints(work),
        retrainer.last,
    )
    return situation, retrainer


def flip(truth: Codes, cell: Cell) -> tuple[Codes, Mask]:
    """(N,) given classes and whether they were flipped.

    Raises:
        InputError: An unknown glitch.
    """
    if cell.glitch == "none":
        return truth.copy(), np.zeros(len(truth), dtype=np.bool_)
    if cell.glitch not in _FLIPS:
        raise InputError(
            f"a glitch of labels: {', '.join(_FLIPS)}, none", repr(cell.glitch), "Choose another"
        )
    given, wrong = _FLIPS[cell.glitch](truth, cell.rate, cell.seed)
    return np.asarray(given, dtype=np.int64), wrong
