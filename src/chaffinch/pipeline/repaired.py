"""The rows of the version that a plan makes."""

import pandas as pd

from chaffinch.core.dataset import Dataset
from chaffinch.repair.application import extra_samples
from chaffinch.repair.effect import Effect, resolve
from chaffinch.repair.names import shares_text
from chaffinch.repair.plan import Plan
from chaffinch.store.version import rows_of


def repaired_rows(plan: Plan, data: Dataset, seed: int = 0) -> pd.DataFrame:
    """The rows of the version that a plan makes, under the ids that the samples had before."""
    effect = resolve(plan.edits, data, open_labels=plan.open_labels)
    rows = rows_of(data, effect.weights, _soft_labels(effect, data))
    rows["label"] = effect.labels(data.labels).texts
    kept = rows.iloc[effect.rows]
    if not len(effect.extra_rows):
        return kept.reset_index(drop=True)
    return pd.concat([kept, rows_of(extra_samples(data, effect, seed))], ignore_index=True)


def _soft_labels(effect: Effect, data: Dataset) -> list[str] | None:
    if effect.soft is None:
        return None
    return [
        shares_text(shares, data.labels) if soft else ""
        for shares, soft in zip(effect.soft, effect.softened, strict=True)
    ]
