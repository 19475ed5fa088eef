"""One sentence on how a training goes."""

from collections.abc import Sequence

from chaffinch.training.alarms import Alarm
from chaffinch.training.diagnostics.snapshot import Snapshot

_SHORT = {
    "resisting_labels": "some labels resist learning",
    "confused_labels": "some labels look swapped",
    "memorisation": "suspected labels are being memorised",
    "source_quality": "one source has worse labels",
    "class_quality": "one class has worse labels",
    "not_finite": "a loss is not finite",
    "divergence": "training diverges",
    "overfitting": "validation loss rises",
}


def headline(now: Snapshot, alarms: Sequence[Alarm]) -> tuple[str, str]:
    """The epoch, and the latest warning in a few words; "nothing alarming" without one.

    Args:
        now: The latest epoch.
        alarms: All alarms so far.
    """
    epoch = f"Epoch {now.epoch + 1}"
    warnings = [one for one in alarms if one.severity == "warning"]
    if not warnings:
        return epoch, "nothing alarming"
    if warnings[-1].name == "resisting_labels":
        rate = warnings[-1].values["rate"]
        return epoch, f"about {100 * rate:.0f} % of the labels resist learning"
    return epoch, _SHORT.get(warnings[-1].name, warnings[-1].name.replace("_", " "))
