"""The difference between data before and after: what was done, sample by sample."""

from chaffinch.core.dataset import Dataset
from chaffinch.repair.plan import Plan


def difference(before: Dataset, after: Dataset) -> dict[str, str | None]:
    """Compare two data sets by id.

    Args:
        before: The data as they were.
        after: The data as they are.

    Returns:
        By id of each sample that changed: the new label as text, or None where the sample is gone.
        Samples that came anew have their label.
    """
    old = dict(zip(before.ids.tolist(), map(str, before.labels.values.tolist()), strict=True))
    new = dict(zip(after.ids.tolist(), map(str, after.labels.values.tolist()), strict=True))
    changed: dict[str, str | None] = {name: None for name in old if name not in new}
    changed |= {name: label for name, label in new.items() if old.get(name) != label}
    return changed


def intended(plan: Plan) -> dict[str, str | None]:
    """What `difference` must find after a plan was applied, but for copies and weights."""
    found: dict[str, str | None] = {edit.id: None for edit in plan.edits if edit.leaves_out}
    found |= {edit.id: edit.new_label for edit in plan.edits if edit.action == "relabel"}
    return found
