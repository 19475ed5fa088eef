"""Findings of samples that could not be judged, put among those of the others."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.findings import INTERVAL_COLUMNS, Findings
from chaffinch.core.kinds import UNLABELLED, UNUSABLE, probability_columns
from chaffinch.core.types import Mask
from chaffinch.data.usable import SetAside, split_usable
from chaffinch.pipeline.encode import Encode
from chaffinch.training.recorder import evaluate

DETAIL = "set_aside"
"""Key of the counts by kind in the details of findings."""


def split_trainable(
    data: Dataset, *, strict: bool, keep_classes: bool = False
) -> tuple[Dataset, SetAside]:
    """Split data into samples that a classifier can be trained on and samples set aside.

    Args:
        data: The data.
        strict: Whether any sample that would be set aside is an error.
        keep_classes: Whether classes stay of which no sample can be used: a model of the user's
            own has an output for them.

    Raises:
        InputError: Too few usable samples to train on, or a sample set aside where ``strict``.
    """
    if (data.labels.counts < 2).all():  # not a column of classes
        data.labels.check_trainable(f"the labels of {data.source}")
    usable, aside = split_usable(data, keep_classes=keep_classes)
    if strict:
        aside.refuse(data.source)
    if np.count_nonzero(usable.labels.counts) < 2:
        data.labels.check_trainable(f"the labels of {data.source}")
        raise InputError(
            f"two classes with two usable samples each in {data.source}",
            f"{len(aside.faults):,} of {len(data):,} samples that cannot be judged "
            f"({aside.listed})",
            "Repair those samples first",
        )
    return usable, aside


Suggestions = Mapping[int, tuple[Any, float]]
"""The likeliest class and its probability, by position."""


def suggest(
    aside: SetAside, whole: Dataset, encoder: Encode | None, model: nn.Module, classes: NDArray[Any]
) -> Suggestions:
    """What the model would say of the samples without a label.

    Args:
        aside: What was set aside.
        whole: All samples.
        encoder: Encodes samples for the model.
        model: The trained model.
        classes: (C,) what its outputs stand for.
    """
    rows = [row for row, fault in aside.faults.items() if fault.kind == UNLABELLED]
    if not rows or encoder is None:
        return {}
    inputs = encoder(whole.take(np.asarray(rows)))
    shares = softmax(evaluate(model, inputs, torch.arange(len(rows)), None).logits, axis=1)
    best = zip(
        rows, pd.Series(classes[shares.argmax(axis=1)]).tolist(), shares.max(axis=1), strict=True
    )
    return {row: (label, float(share)) for row, label, share in best}


def with_set_aside(
    findings: Findings, aside: SetAside, suggestions: Suggestions | None = None
) -> Findings:
    """Put the samples that were set aside among the findings, in the order of the data.

    They have no probabilities of kinds and, as scores, the lowest of the others. Unreadable and
    empty samples are flagged with a suspicion of 1; of unlabelled ones and single ones of a class
    nothing is suspected: their suspicion is 0.

    Args:
        findings: Of the usable samples, in the order of the data.
        aside: What was set aside.
        suggestions: What the model would say of unlabelled samples.
    """
    if not aside.faults:
        return findings
    usable = aside.usable
    table = findings.table.set_axis(np.flatnonzero(usable), axis=0)
    rows = pd.DataFrame(_rows(findings, aside, suggestions or {}))[list(table.columns)]
    rows = rows.set_axis(sorted(aside.faults), axis=0)
    columns = {
        name: _given(findings, aside, usable)
        if name == "given_label"
        else _joined(table[name], rows[name])
        for name in table.columns
    }
    counted = ", ".join(f"{count:,} {kind}" for kind, count in aside.counts.items())
    note = f"{len(aside.faults):,} of {len(usable):,} samples could not be judged ({counted})"
    told = f"{note}: they are named in the findings and were left out of training and scores."
    return replace(
        findings,
        table=pd.DataFrame(columns),
        notes=(told, *findings.notes),
        details={**findings.details, DETAIL: aside.counts},
    )


def _rows(findings: Findings, aside: SetAside, suggestions: Suggestions) -> dict[str, Any]:
    """The columns of the samples set aside, but for their labels."""
    rows = sorted(aside.faults)
    faults = [aside.faults[row] for row in rows]
    unusable = np.asarray([fault.kind in UNUSABLE for fault in faults])
    table, scorers = findings.table, findings.scorers
    said = [suggestions.get(row, (None, np.nan)) for row in rows]
    return {
        "id": np.asarray(aside.ids)[rows].astype(object),
        "given_label": None,  # for now
        "suspicion": unusable.astype(np.float64),
        "flagged": unusable,
        "kind": [fault.kind for fault in faults],
        "kind_probability": np.ones(len(rows)),
        "suggested_label": pd.Series([label for label, _ in said], dtype=object),
        "suggestion_confidence": [share for _, share in said],
        "q_value": 1.0 - unusable,
        **dict.fromkeys(probability_columns(table.columns), np.zeros(len(rows))),
        **dict.fromkeys(INTERVAL_COLUMNS, np.full(len(rows), np.nan)),
        "stability": np.full(len(rows), np.nan),
        "why": [_why(fault.kind, fault.reason) for fault in faults],
        **{name: np.full(len(rows), table[name].min()) for name in scorers},
    }


def _why(kind: str, reason: str) -> str:
    if kind == UNLABELLED:
        return "It could not be judged: it has no label."
    return f"It could not be judged: {reason}."


def _joined(judged: "pd.Series[Any]", others: "pd.Series[Any]") -> "pd.Series[Any]":
    """One column in the order of the data, of the type that it has for the judged samples."""
    kind = judged.dtype
    joined = pd.concat([judged.astype(object), others.astype(object)]).sort_index()
    typed: pd.Series[Any] = joined.astype(kind)
    return typed


def _given(findings: Findings, aside: SetAside, usable: Mask) -> "pd.Series[Any]":
    """The given labels of all samples, missing where there is none."""
    values = aside.labels.values
    kind = findings.table["given_label"].dtype
    if pd.api.types.is_object_dtype(kind) or isinstance(kind, pd.StringDtype):
        # Classes of mixed types are text in findings.
        texts = [value if value is None else str(value) for value in values.tolist()]
        return pd.Series(texts, dtype=kind)
    known = aside.labels.known
    filled = values.copy()
    filled[~known] = values[usable][0]
    column = pd.Series(filled.tolist()).astype(kind)
    return column if known.all() else pd.Series(pd.array(column.to_numpy())).where(known)
