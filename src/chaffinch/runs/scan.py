"""`scan`: the run of data, whatever their labels are."""

from pathlib import Path
from typing import Any, Unpack

from chaffinch.pipeline.keywords import ScanKeywords
from chaffinch.pipeline.scan_declaration import ScanDeclaration
from chaffinch.pipeline.scan_input import Model, ScanInput
from chaffinch.runs.given import Given
from chaffinch.runs.run import Run
from chaffinch.runs.signature import shown_as
from chaffinch.store.run import RunFolder
from chaffinch.tasks.registry import scan_by_task


@shown_as(ScanDeclaration)
def scan(
    data: Any,
    label: str | None = None,
    model: Model | Path | None = None,
    validation: Any = None,
    **options: Unpack[ScanKeywords],
) -> Run:
    """Find the samples of a labelled data set that do harm, most of them by a wrong label.

    Args:
        data: What `chaffinch.open_data` takes: a path, a DataFrame, ``(X, y)``, a torch or
            Hugging Face data set, ...; or a table of prompts and responses without labels.
        label: Column of the labels, where it is not obvious.
        model: Your own model: an ``nn.Module``, a function that makes one, or
            ``"module:function"``; for texts also the folder of a pre-trained encoder, which is
            fine-tuned. A small default model is trained otherwise. For prompts a causal model,
            which is not trained.
        validation: Clean labelled data of the same kind; adds accuracy and influence on it, and
            shows which samples are spoilt or do not belong here. For prompts those of a test set.
        **options: See `chaffinch.pipeline.scan_declaration.ScanDeclaration`; ``out="run"`` keeps
            the run, with report, in a folder and lets an interrupted scan go on where it was.

    Returns:
        The run. It shows what its findings show: ``scan(...).table`` has one row a sample, in the
        order of the data.

    Raises:
        InputError: Data, labels, model or options that are not usable.
        RunError: ``out`` holds another run.
    """
    result = scan_by_task(ScanInput.of(data, label, model, validation, **options))
    out = options.get("out")
    folder = None if out is None else RunFolder(Path(out))
    encoder = next(
        (options[one] for one in ("encoder", "embeddings") if options.get(one) is not None), None
    )
    return Run(result, folder, Given(data, validation, model, encoder))
