"""A scan of prompts and responses, which have no labels: their texts, and a model's losses."""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from chaffinch import report
from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings
from chaffinch.core.labels import Labels
from chaffinch.core.version import VERSION
from chaffinch.data.arrow import frame_of, is_arrow_table
from chaffinch.data.column import LABEL_NAMES
from chaffinch.data.file import is_url
from chaffinch.data.prompt import Prompts, open_prompts
from chaffinch.data.prompt_format import format_of
from chaffinch.data.usable import SetAside, set_aside
from chaffinch.diagnosis.prompt_check import check_prompts
from chaffinch.diagnosis.prompt_judgement import CLASS, judge_prompts
from chaffinch.models.language import LanguageModel, load_language_model
from chaffinch.models.language.classification import check_causal, folder_digest
from chaffinch.pipeline.aside import with_set_aside
from chaffinch.pipeline.labelled import OF_PROMPTS
from chaffinch.pipeline.options import ScanOptions
from chaffinch.pipeline.outcome import Result, Stopwatch, known
from chaffinch.pipeline.prompt_losses import read_losses
from chaffinch.pipeline.prompt_record import write_down, write_prompts
from chaffinch.pipeline.recording import check_ledger
from chaffinch.pipeline.resume import Plan, claim, finished, full_disk, nothing_left, publish
from chaffinch.store.lock import alone
from chaffinch.store.mark import need_local
from chaffinch.store.run import RunFolder

OWN_OPTIONS = ("prompt", "response", "lora", "chat_template")
"""Options for prompts and responses alone."""

_USED = {
    *OWN_OPTIONS,
    "task",
    "id_column",
    "length",
    "batch_size",
    "device",
    "seed",
    "out",
    "overwrite",
    "ledger",
    "select",
    "fdr",
    "strict",
}
_DECIDE_NOTHING = {"out", "overwrite", "ledger", "strict"}
_LENGTH = 512


@dataclass(frozen=True)
class PromptRequest:
    """Which prompts are to be scanned, and with which model.

    Attributes:
        data: Where prompts and responses come from.
        model: Folder, GGUF file or hub name of a causal model, or None.
        tests: Prompts that training must not have seen, or None.
    """

    data: Any
    model: str | None = None
    tests: Any = None

    @classmethod
    def of(cls, data: Any, model: Any, tests: Any) -> "PromptRequest":
        """A request of what `scan` was given.

        Raises:
            InputError: A model that is no folder, file or name.
        """
        if model is not None and not isinstance(model, str | Path):
            raise InputError(
                "the folder of a causal model for prompts and responses",
                type(model).__name__,
                "Save it with save_pretrained and give the folder",
            )
        return cls(data, None if model is None else str(Path(model).expanduser()), tests)


def holds_prompts(data: Any) -> bool:
    """Whether a table has the columns of prompts and responses, and none of labels."""
    if isinstance(data, dict):
        return False
    if is_arrow_table(data):
        data = frame_of(data)
    elif hasattr(data, "to_pandas") and hasattr(data, "__len__"):  # of Hugging Face
        data = data.to_pandas()
    if not isinstance(data, pd.DataFrame):
        return False
    labelled = any(str(name).lower() in LABEL_NAMES for name in data.columns)
    return not labelled and format_of(data) is not None


def scan_prompts(request: PromptRequest, options: ScanOptions) -> Result:
    """Find harmful samples among prompts and responses, and keep the run where asked.

    Raises:
        InputError: Data, model or options that cannot be used.
        RunError: ``out`` holds another run.
    """
    _refuse_others(request, options)
    train = _opened(request.data, options)
    tests = None if request.tests is None else _opened(request.tests, options)
    aside = _set_aside(train)
    if options.strict:
        aside.refuse(train.source)
    if options.out is None:
        with tempfile.TemporaryDirectory(prefix="chaffinch-") as folder:
            place, watch = Path(folder), Stopwatch()
            findings, model = _judged(request, options, (train, tests), place, watch)
            write_prompts(place, findings, (train, tests), model, _facts(request, options, watch))
            return Result(RunFolder(place).record, findings)
    need_local(options.out)
    if options.overwrite or not options.out.exists():
        check_ledger(options)  # before a folder is made
    with alone(options.out):
        return _kept(request, options, (train, tests), options.out)


def _kept(
    request: PromptRequest, options: ScanOptions, sets: tuple[Prompts, Prompts | None], out: Path
) -> Result:
    """Do the work, or find it done, and keep it in a folder."""
    plan, train = _plan(request, options, sets), sets[0]
    if not options.overwrite and finished(out, plan):
        write_down(options, train, _location(request))  # in case it was interrupted here
        return known(out)
    partial = claim(out, plan, options.overwrite)
    watch = Stopwatch()
    with full_disk(partial), nothing_left(partial):
        findings, model = _judged(request, options, sets, partial, watch)
        write_prompts(partial, findings, sets, model, _facts(request, options, watch))
        report.write(RunFolder(partial), final=out)
        publish(partial, out)
    write_down(options, train, _location(request))
    return Result(RunFolder(out).record, findings)


def _refuse_others(request: PromptRequest, options: ScanOptions) -> None:
    given = options.beside(_USED)
    if given:
        raise InputError(
            f"options that fit prompts and responses ({', '.join(sorted(_USED))})",
            ", ".join(given),
            "Leave these out, or name the label column with --label: here nothing is trained",
        )
    if options.lora is not None and request.model is None:
        raise InputError(
            "--model, the model that the adapters belong to", "none", "Give its folder"
        )
    if options.chat_template is not None and request.model is None:
        raise InputError("--model, the model that reads by the template", "none", "Give its folder")
    if request.model is not None:
        check_causal(Path(request.model))


def _opened(data: Any, options: ScanOptions) -> Prompts:
    return open_prompts(
        data, prompt=options.prompt, response=options.response, id_column=options.id_column
    )


def _judged(
    request: PromptRequest,
    options: ScanOptions,
    sets: tuple[Prompts, Prompts | None],
    folder: Path,
    watch: Stopwatch,
) -> tuple[Findings, LanguageModel | None]:
    model, losses = None, None
    notes: tuple[str, ...] = ()
    aside = _set_aside(sets[0])
    if len(aside.faults) == len(sets[0]):
        aside.refuse(sets[0].source)
    train = sets[0].take(aside.usable)
    tests = None if sets[1] is None else sets[1].take(_set_aside(sets[1]).usable)
    with watch.stage("texts"):
        checks = check_prompts(train, tests)
    if request.model is not None:
        with watch.stage("losses"):
            model = load_language_model(
                request.model,
                options.lora,
                length=options.length or _LENGTH,
                device=options.torch_device(),
            )
            losses, notes = read_losses(model, train, options, folder)
    with watch.stage("judging"):
        found = judge_prompts(checks, losses, options.threshold)
        found = replace(found, notes=(*sets[0].notes, *notes, *found.notes))
        found = with_set_aside(found, aside)
        name = Path(_location(request)).name
        rows = range(len(found))
        return found.placed(rows, (f"{name}:{row}" if name else "" for row in rows)), model


def _set_aside(data: Prompts) -> SetAside:
    """The samples without a prompt."""
    labels = Labels(np.zeros(len(data), np.int64), np.asarray([CLASS]))
    known = data.faults
    found = {row: known[name] for row, name in enumerate(map(str, data.ids)) if name in known}
    return set_aside(data.ids, labels, found, allow_single=True)


def _plan(
    request: PromptRequest, options: ScanOptions, sets: tuple[Prompts, Prompts | None]
) -> Plan:
    configuration = _chosen(options)
    tests = sets[1]
    configuration |= {
        "of": OF_PROMPTS,
        "model": _identity(request.model),
        "lora": None if options.lora is None else _identity(str(options.lora)),
        "validation": None if tests is None else tests.fingerprint,
        "versions": [VERSION, torch.__version__],
    }
    return Plan(sets[0].fingerprint, configuration)


def _chosen(options: ScanOptions) -> dict[str, Any]:
    """The options that decide the outcome."""
    chosen = options.model_dump(mode="json", include=_USED - _DECIDE_NOTHING)
    return dict(sorted(chosen.items()))


def _identity(place: str | None) -> str | None:
    if place is None or not Path(place).is_dir():
        return place
    return f"folder {folder_digest(Path(place))}"


def _facts(request: PromptRequest, options: ScanOptions, watch: Stopwatch) -> dict[str, Any]:
    """What the record says of how it was done."""
    return {
        "configuration": {**_chosen(options), "of": OF_PROMPTS, "model": request.model},
        "path": _location(request),
        "timings": watch.seconds,
        "seed": options.seed,
        "device": str(options.torch_device()),
    }


def _location(request: PromptRequest) -> str:
    """Where the prompts lie: a URL or an absolute path; "" for data in memory."""
    if not isinstance(request.data, str | os.PathLike):
        return ""
    place = os.fspath(request.data)
    return place if is_url(place) else os.path.abspath(os.path.expanduser(place))
