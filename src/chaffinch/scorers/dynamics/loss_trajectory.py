"""Shape of the loss curve: the area under it and what still moves late."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Floats
from chaffinch.scorers.dynamics.loss import losses_by_epoch


def area_and_late_change(losses: Floats) -> Floats:
    """Area under the loss curve plus the size of its late change.

    The net learns the rule first. A right label then costs little and stays there; a wrong one is
    expensive and moves late: down where the net memorises it, up where it grows surer of the
    right class. So the late change counts whichever way it goes.

    Args:
        losses: (E, N) loss of the given label in every epoch, in nats.

    Returns:
        (N,) nats, not negative: trapezoid rule over training as the unit of time, plus the change
        along the least-squares line through the last half of the epochs (at least two).
    """
    curve = np.asarray(losses, dtype=np.float64)
    epochs = len(curve)
    if epochs == 1:
        return np.array(curve[0])
    area = (curve[0] / 2 + curve[1:-1].sum(axis=0) + curve[-1] / 2) / (epochs - 1)
    late = curve[-max(2, (epochs + 1) // 2) :]
    time = np.arange(len(late)) - (len(late) - 1) / 2
    slope = time @ late / (time**2).sum()
    total: Floats = area + np.abs(slope) * (len(late) - 1)
    return total


@scorer(
    "loss_trajectory",
    family="dynamics",
    needs=("logits",),
    paper="After Huang et al., O2U-Net, ICCV 2019, and Yue and Jha, CTRL, 2022",
)
def loss_trajectory(evidence: Evidence, _seed: int) -> Floats:
    """Area under the loss curve plus the size of its change in the last half of the epochs."""
    return area_and_late_change(losses_by_epoch(evidence))
