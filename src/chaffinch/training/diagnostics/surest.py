"""How often the label is missed where the model is surest.

Which samples a model is sure of depends on what they look like, not on their labels, until it
memorises. Among the surest, right labels are met; wrong ones are not, however the errors are
spread. So the share missed among them is close to the share of wrong labels, once the model is
good at something. Where the data are merely hard, misses rise steeply from the surest on; a floor
of wrong labels is flat.
"""

from dataclasses import dataclass

import numpy as np

from chaffinch.core.types import Floats


@dataclass(frozen=True)
class Surest:
    """Misses among the surest tenth.

    Attributes:
        count: Samples in it.
        rate: Share whose label is not the largest output, 0..1.
        low: Lower end of the 95 % interval of `rate` (Wilson, 1927).
        later: The same share in the third tenth; NaN where it is empty.
        sureness: Mean of ``1 - entropy / log C`` in the surest tenth, 0..1.
    """

    count: int
    rate: float
    low: float
    later: float
    sureness: float


def missed_when_sure(margin: Floats, entropy: Floats, num_classes: int) -> Surest | None:
    """Look at the tenth of the samples with the lowest entropy.

    Args:
        margin: (N,) negative where the label is missed; NaN where not seen.
        entropy: (N,) of the softmax, in nats; NaN where not seen.
        num_classes: C.

    Returns:
        What was found, or None for fewer than 50 samples or 2 classes.
    """
    known = np.flatnonzero(np.isfinite(margin) & np.isfinite(entropy))
    tenth = len(known) // 10
    if tenth < 5 or num_classes < 2:
        return None
    part = np.argpartition(entropy[known], 3 * tenth)[: 3 * tenth]
    order = known[part[np.argsort(entropy[known][part], kind="stable")]]
    missed = margin[order] < 0
    rate = float(missed[:tenth].mean())
    sureness = 1 - float(entropy[order[:tenth]].mean()) / float(np.log(num_classes))
    later = float(missed[2 * tenth :].mean())
    return Surest(tenth, rate, lower_bound(rate, tenth), later, sureness)


def lower_bound(rate: float, count: int, z: float = 1.96) -> float:
    """Lower end of Wilson's interval for a share.

    Args:
        rate: The share, 0..1.
        count: Samples it was counted in, at least one.
        z: Standard normal quantile; 1.96 for 95 %.
    """
    centre = rate + z**2 / (2 * count)
    width = z * np.sqrt(rate * (1 - rate) / count + z**2 / (4 * count**2))
    return max(0.0, float((centre - width) / (1 + z**2 / count)))
