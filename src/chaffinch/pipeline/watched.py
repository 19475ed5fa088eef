"""The run of a watch: what was recorded in the user's own training loop, judged and kept."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from torch import nn

from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.option import real, whole
from chaffinch.data import open_data
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.diagnosis.label_noise import Assumption
from chaffinch.diagnosis.selection import Rule, Threshold
from chaffinch.pipeline.judge_inputs import names_of
from chaffinch.pipeline.judged import About, Judging, Opening, check_labels, made_of_evidence
from chaffinch.pipeline.keeping import Place
from chaffinch.pipeline.outcome import Result
from chaffinch.pipeline.run_data import OF_WATCH
from chaffinch.pipeline.snapshot import location_of
from chaffinch.training.watching.reading import Reading


def judge_watch(
    watch: Reading,
    *,
    scorers: str | Sequence[str] | None = None,
    select: Rule = "f1",
    fdr: float = 0.1,
    assume: Assumption = "auto",
    seed: int = 0,
    data: Any = None,
    opening: Opening | None = None,
    place: Place | None = None,
) -> Result:
    """Judge what a watch has recorded, and keep the run where asked.

    Args:
        watch: The watch.
        scorers: Names of the score columns wanted; None for the usual ones.
        select: The rule by which samples are flagged.
        fdr: False alarms that the rule ``fdr`` allows.
        assume: What a label is, as for `chaffinch.judge`.
        seed: Decides every random choice.
        data: The samples that were watched, in the order of their positions, as `open_data` takes
            them; the findings have their ids then.
        opening: How they are opened.
        place: Where the run is kept; None for memory.

    Raises:
        InputError: No epoch is finished, outputs are not kept, or other data.
        RunError: The place holds another run.
    """
    threshold, names, seed = (
        Threshold(select, real("fdr", fdr)),
        names_of(scorers),
        whole("seed", seed),
    )
    evidence, rows, notes = watch.judged()
    about, evidence = _about(evidence, rows, data, opening or Opening())

    def find() -> Findings:
        found = judge_evidence(evidence, names, seed, threshold=threshold, assume=assume)
        return about.placed(replace(found, notes=(*about.notes, *notes, *found.notes)))

    chosen = {"select": select, "fdr": fdr, "assume": assume}
    configuration = {"of": OF_WATCH, "scorers": names, **chosen, **about.opening}
    configuration["watched_epochs"] = watch.epoch
    judging = Judging(evidence, configuration, seed, about, *_described(watch.model))
    return made_of_evidence(judging, find, place)


def _about(
    evidence: Evidence, rows: Sequence[int], data: Any, opening: Opening
) -> tuple[About, Evidence]:
    if data is None:
        return About(evidence.ids, evidence.labels, opened=opening, rows=rows), evidence
    opened = open_data(data, trainable=False, **asdict(opening))
    check_labels(opened, evidence.labels, rows)
    ids = np.asarray(opened.ids)[list(rows)]
    about = About(ids, evidence.labels, opened, location_of(data) or "", opening, rows)
    return about, replace(evidence, ids=ids)


def _described(model: nn.Module) -> tuple[str, int]:
    return type(model).__name__, sum(one.numel() for one in model.parameters())
