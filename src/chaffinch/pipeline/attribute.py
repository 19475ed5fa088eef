"""`attribute_prompts`: which training prompts shaped the answers to some queries."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.errors import InputError, RunError
from chaffinch.core.parsing import parse_json
from chaffinch.core.version import VERSION
from chaffinch.data.prompt import Prompts, open_prompts
from chaffinch.influence.queries import (
    GradientTable,
    Prepared,
    forest_influence,
    influence_of,
    prepare,
)
from chaffinch.models.language import LanguageModel, load_language_model
from chaffinch.pipeline.attribute_options import FOREST, AttributeOptions
from chaffinch.pipeline.attribute_ranking import rank
from chaffinch.pipeline.attribute_tables import KEPT, asked_rows, open_table
from chaffinch.report.answers import Answers, render
from chaffinch.store.lock import alone
from chaffinch.store.mark import need_local
from chaffinch.store.run import write_text

RECORD = "attribution.json"
ANSWERS, MATRIX, PAGE = "answers.jsonl", "influence.npy", "answers.html"


def attribute_prompts(
    data: Any, queries: Any, model: str | Path | LanguageModel, out: str | Path, **options: Any
) -> Answers:
    """Find the training prompts that helped and hurt the answers to some queries most.

    One pass over the training set keeps (projected) gradients in ``out/gradients``, or hidden
    states in ``out/states`` for ``rep_cos``; a stopped pass goes on where it was, and further
    queries to the same data need no second one.

    Args:
        data: Training prompts and responses: a table file, a URL or a DataFrame.
        queries: Prompts and the responses that are to be explained, of the same form.
        model: The fine-tuned model: a folder, a GGUF file, a name on the hub, or one that is
            loaded.
        out: Folder for gradients, values and page.
        **options: Fields of `AttributeOptions`.

    Returns:
        The findings, which are also in ``out``.

    Raises:
        InputError: Data, model or options that cannot be used.
        RunError: Another process writes to ``out``.
    """
    chosen = _options(options)
    train, asked = (
        open_prompts(
            one, prompt=chosen.prompt, response=chosen.response, id_column=chosen.id_column
        )
        for one in (data, queries)
    )
    folder = Path(out)
    if not isinstance(model, LanguageModel):
        place = str(model)
        model = load_language_model(place, chosen.lora, length=chosen.length, device=chosen.device)
    else:
        place = "a model in memory"
    need_local(folder)
    with alone(folder, "attribution"):
        start = time.perf_counter()
        table = open_table(model, train, folder, chosen)
        seconds = time.perf_counter() - start
        record = {
            "version": VERSION,
            "data": str(Path(data).resolve()) if isinstance(data, str | Path) else "",
            "model": str(Path(place).resolve()) if Path(place).exists() else place,
            "samples": len(train),
            "seconds": {chosen.evidence: round(seconds, 3)},
            "options": {name: getattr(chosen, name) for name in KEPT},
        }
        answers = _answer(model, table, (train, asked), chosen, folder)
        write_text(folder / RECORD, json.dumps(record, indent=2))
        return answers


def ask_again(run: str | Path, queries: Any, **options: Any) -> Answers:
    """Hold further queries against the gradients that an earlier call has kept.

    Args:
        run: The folder of that call.
        queries: As for `attribute_prompts`.
        **options: Fields of `AttributeOptions`; those in `KEPT` are as in that call.

    Raises:
        RunError: No such folder, or one whose data were in memory.
        InputError: As for `attribute_prompts`.
    """
    try:
        record = parse_json((Path(run) / RECORD).read_text("utf-8"))
        place, model, kept = (record[name] for name in ("data", "model", "options"))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"a finished attribution in {run}",
            f"no readable {RECORD}",
            "Give the training data and --model first",
        ) from error
    if not place:
        raise RunError(
            "an attribution whose training data are in a file",
            "one of data in memory",
            "Call attribute_prompts with the data and the same out=",
        )
    return attribute_prompts(place, queries, model, run, **{**options, **kept})


def is_attribution(place: str | Path) -> bool:
    """Whether a folder holds the record of an attribution."""
    return (Path(place) / RECORD).is_file()


def _options(given: Mapping[str, Any]) -> AttributeOptions:
    unknown = sorted(set(given) - set(AttributeOptions.__dataclass_fields__))
    if unknown:
        raise InputError(
            f"options among {', '.join(AttributeOptions.__dataclass_fields__)}",
            ", ".join(unknown),
            "Check the name",
        )
    return AttributeOptions(**given)


def _answer(
    model: LanguageModel,
    table: GradientTable,
    sets: tuple[Prompts, Prompts],
    options: AttributeOptions,
    folder: Path,
) -> Answers:
    train, asked = sets
    vectors = asked_rows(model, asked, table, options)
    prepared: Prepared | None = None
    if options.estimator == FOREST:
        tasks = _tasks(train, str(options.task))
        values = torch.from_numpy(forest_influence(table, vectors, tasks, seed=options.seed))
    else:
        prepared = prepare(table, vectors, options.estimator, options.damping)
        values = influence_of(table, prepared)
    answers = Answers(
        options.estimator,
        _facts(model, table, sets, options),
        rank(model, table, prepared, values, (*sets, options)),
        signed=options.signed,
    )
    _write(folder, answers, values)
    return answers


def _tasks(train: Prompts, column: str) -> list[str]:
    if column not in train.frame.columns:
        raise InputError(
            f"a column {column!r} in {train.source}",
            f"the columns {', '.join(train.frame.columns)}",
            "Name the column with the task of each training sample",
        )
    return train.frame[column].astype(str).tolist()


def _facts(
    model: LanguageModel,
    table: GradientTable,
    sets: tuple[Prompts, Prompts],
    options: AttributeOptions,
) -> dict[str, str]:
    kept, whole = sum(table.layout.widths.values()), table.layout.size
    name = type(model.model).__name__
    facts = {
        "training samples": f"{len(sets[0]):,} from {sets[0].source}",
        "queries": f"{len(sets[1]):,} from {sets[1].source}",
    }
    if options.evidence == "states":
        blocks = f"{len(table.layout.names)} blocks from {table.layout.names[0]} on"
        return facts | {"model": f"{name}, {blocks}", "kept of each text": f"{kept:,} numbers"}
    return facts | {
        "model": f"{name}, layers {options.layers or model.layers}",
        "kept of each gradient": f"{kept:,} of {whole:,} numbers",
    }


def _write(folder: Path, answers: Answers, values: Tensor) -> None:
    np.save(folder / MATRIX, values.float().numpy())
    lines = [json.dumps(line, ensure_ascii=False) for line in answers.lines()]
    write_text(folder / ANSWERS, "\n".join(lines) + "\n")
    write_text(folder / PAGE, render(answers))
