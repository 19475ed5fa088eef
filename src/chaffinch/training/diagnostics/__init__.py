"""What the records of a training tell while it goes on: pure functions on arrays."""

from chaffinch.training.diagnostics.calibration import expected_calibration_error
from chaffinch.training.diagnostics.concentration import Concentration, concentrate
from chaffinch.training.diagnostics.disturbance import pulls_hard
from chaffinch.training.diagnostics.noise import LabelNoise, NoiseGap, compare_noise, estimate_noise
from chaffinch.training.diagnostics.quality import GroupQuality, compare_groups
from chaffinch.training.diagnostics.surest import Surest, missed_when_sure
from chaffinch.training.diagnostics.suspected import Side, choose_suspected, sum_up

__all__ = [
    "Concentration",
    "GroupQuality",
    "LabelNoise",
    "NoiseGap",
    "Side",
    "Surest",
    "choose_suspected",
    "compare_groups",
    "compare_noise",
    "concentrate",
    "estimate_noise",
    "expected_calibration_error",
    "missed_when_sure",
    "pulls_hard",
    "sum_up",
]
