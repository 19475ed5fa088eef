"""The experiment ``prompts``: fine-tune on prompts of ten kinds, ask which of them taught what."""

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.cell import Cell
from benchmarks.data.prompt_set import prompt_set
from benchmarks.experiment import Measurement, experiment, failed
from benchmarks.experiments.prompts.evidence import PLACES, collect, encode
from benchmarks.experiments.prompts.method import ABOUT, METHODS, Asked, class_figures
from benchmarks.experiments.prompts.model import fine_tune, load_base
from benchmarks.experiments.prompts.settings import Settings
from chaffinch.core.errors import InputError


def expand(names: Sequence[str]) -> list[str]:
    """All methods where none is named.

    Raises:
        InputError: A method that this experiment does not have.
    """
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise InputError(f"methods among {', '.join(METHODS)}", ", ".join(unknown), "Choose these")
    return list(names or METHODS)


@experiment("prompts", version=1, expand=expand, about=ABOUT)
def prompts(cell: Cell, methods: Sequence[str], folder: Path) -> Iterator[Measurement]:
    """Fine-tune adapters, pass over all training prompts, hold test prompts to what is kept.

    Args:
        cell: The cell; data is the set, model ``smollm2`` or ``tiny``.
        methods: Names of methods.
        folder: Where the adapters are kept; gradients and states are deleted in the end.

    Yields:
        ``class_auc``, ``class_recall`` and ``seconds`` of each method; the seconds do not hold the
        passes over the prompts that methods share.
    """
    settings = Settings.of(cell.settings)
    drawn = prompt_set(cell.data, cell.seed, settings.train, settings.test, settings.kinds)
    folder.mkdir(parents=True, exist_ok=True)
    base = load_base(cell.model, settings.length, folder.parent / "models")
    data = encode(base, drawn.train, settings)
    model = fine_tune(base, data, settings, cell.seed, folder / "adapters.pt")
    try:
        needs = {need for name in methods if (need := METHODS[name].needs)}
        evidence = collect(model, drawn, settings, (cell.seed, folder), needs)
        asked = Asked(drawn, evidence, cell.seed)
        kinds = drawn.train.kind.to_numpy(), drawn.test.kind.to_numpy()
        for name in methods:
            start = time.perf_counter()
            try:
                values = METHODS[name].function(asked)
            except Exception as error:  # one method shall not take the others with it
                yield failed(name, error)
                continue
            yield Measurement(name, "seconds", time.perf_counter() - start)
            auc, recall = class_figures(values, *kinds)
            yield Measurement(name, "class_auc", auc)
            yield Measurement(name, "class_recall", recall)
    finally:
        for place in PLACES:
            shutil.rmtree(folder / place, ignore_errors=True)
