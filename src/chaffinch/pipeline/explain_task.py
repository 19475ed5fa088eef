"""`explain` for labels that are no classes: by the findings themselves."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from chaffinch.core.explanation import Explanation, Firing
from chaffinch.core.findings import scorer_columns
from chaffinch.core.kinds import Kind
from chaffinch.core.types import Floats
from chaffinch.repair.open_labels import LabelForm

_LEAST_FIRING = 0.9


def explain_findings(
    table: pd.DataFrame, kinds: Mapping[str, Kind], ids: Iterable[str] | None = None
) -> list[Explanation]:
    """Explain samples by what their task said of them.

    Args:
        table: The findings, with samples that were judged alone.
        kinds: Those that the task tells apart.
        ids: Which samples; by default the flagged ones, most suspicious first.
    """
    place = {str(one): row for row, one in enumerate(table["id"])}
    suspicion = table["suspicion"].to_numpy(np.float64)
    if ids is None:
        order = np.argsort(-suspicion, kind="stable")
        rows = order[table["flagged"].to_numpy(np.bool_)[order]].tolist()
    else:
        rows = [place[str(one)] for one in ids]
    scores = {
        name: (rankdata(table[name].to_numpy(np.float64), method="min") - 1) / (len(table) - 1)
        for name in scorer_columns(table.columns)
        if len(table) > 1 and pd.api.types.is_numeric_dtype(table[name])
    }
    form = LabelForm.of_table(table)
    return [_explained(table.iloc[row], form, kinds, scores, row) for row in rows]


def _explained(
    one: Any,
    form: LabelForm,
    kinds: Mapping[str, Kind],
    scores: Mapping[str, Floats],
    row: int,
) -> Explanation:
    firing = [Firing(name, float(above[row])) for name, above in scores.items()]
    told = sorted((f for f in firing if f.above >= _LEAST_FIRING), key=lambda f: -f.above)
    kind = kinds.get(str(one["kind"]))
    other, known = one.get("suggested_label"), one.get("suggestion_confidence")
    named = not pd.isna(other)
    usual = "Nothing speaks against its label."
    if kind is not None and kind.treatment != "keep":
        usual = f"A sample that {kind.meaning}."
    return Explanation(
        id=str(one["id"]),
        given_label=str(one["given_label"]),
        kind=str(one["kind"]),
        suspicion=float(one["suspicion"]),
        why=str(one.get("why") or "") or usual,
        firing=tuple(told),
        counterfactual_label=form.text(other) if named else None,
        counterfactual_probability=float(known) if named else None,
        predicted_by="held_out",
        row=int(one["row"]) if "row" in one else None,
        source=str(one.get("source") or ""),
    )
