"""What is measured of a repair: accuracy, its share of the oracle's gain, and new labels."""

from collections.abc import Iterator, Mapping

import numpy as np

from benchmarks.experiment import Measurement
from benchmarks.experiments.repair.contestant import NONE, ORACLE, PLANS
from benchmarks.situation import Situation
from chaffinch.repair.effect import Effect

LEAST_GAIN = 0.01
"""Where the oracle gains less accuracy than this, no share of its gain is given."""


def gains(accuracy: Mapping[str, float], errors: bool) -> Iterator[Measurement]:
    """Accuracies, points gained over no repair, and shares of what the oracle's trim gains.

    Args:
        accuracy: On the test samples, by contestant.
        errors: Whether there is anything to find.
    """
    for name, value in accuracy.items():
        yield Measurement(name, "accuracy", value)
        if NONE in accuracy and name != NONE:
            gain = value - accuracy[NONE]
            yield Measurement(name, "gain", 100 * gain)
            most = accuracy.get(ORACLE, 0.0) - accuracy[NONE]
            if errors and most >= LEAST_GAIN:
                yield Measurement(name, "oracle_share", gain / most)


def about_edits(name: str, effect: Effect, situation: Situation) -> Iterator[Measurement]:
    """How many samples a plan changes, and how right its new labels are.

    ``relabel_coverage`` is the share of the wrong labels for which a right one exists that get a
    new label.
    """
    yield Measurement(name, "changed", effect.num_changed / len(effect.kept))
    relabelled = effect.label_rows != np.arange(len(effect.kept))
    wrong = situation.errors & (situation.truth >= 0)
    wrong &= situation.truth != situation.evidence.labels.codes
    if relabelled.any():
        right = effect.codes[relabelled] == situation.truth[relabelled]
        yield Measurement(name, "relabel_precision", float(right.mean()))
    if wrong.any() and PLANS[name].mislabelled == "relabel":
        yield Measurement(name, "relabel_coverage", float(relabelled[wrong].mean()))
