"""Normal prior of the calibration, learned from data sets whose right labels are known.

How it was learned stands in docs/calibration.md; the regressors are those of
`chaffinch.core.calibration.design`, in their order.
"""

import numpy as np

MEAN = np.array(
    [
        -3.47,  # a constant
        0.8221,  # log-odds of all predictions together
        0.01947,  # their size
        1.001,  # their hyperbolic tangent
        0.04402,  # the remaining classes
        0.05415,  # fold models apart
        0.1119,  # neighbours apart
        0.2635,  # forest apart
        -0.5888,  # contradictions of the class
        0.002873,  # contradictions that go one way
        0.4,  # ranked higher by the suspicion
        0.0,  # training dynamics
        0.3068,  # set: labels contradicted
        0.0333,  # set: contradicted by the surest
    ]
)
"""(D,) means of the coefficients."""

_FACTOR = (
    (2.084,),
    (0.06017, 0.3484),
    (-0.06985, 0.04977, 0.2303),
    (0.2045, -0.6188, 0.1793, 0.89),
    (-0.08437, 0.1818, 0.1559, -0.171, 0.2907),
    (0.0208, 0.03841, 0.01497, 0.05689, -0.07217, 0.286),
    (0.07012, 0.05579, -0.001217, 0.05113, 0.03907, -0.00534, 0.2295),
    (0.01242, 0.1241, 0.1063, 0.1059, -0.02349, 0.02332, 0.02094, 0.4067),
    (-0.04791, 0.02722, 0.002288, -0.2814, 0.1465, -0.03255, 0.08321, 0.09298, 0.6256),
    (-0.01151, -0.2467, -0.01259, 0.2146, -0.1891, 0.07043, -0.1559, 0.04968, -0.27, 0.7153),
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.4),
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3),
    (
        -0.186,
        -0.03551,
        -0.2429,
        0.2948,
        -0.1147,
        0.007926,
        0.1217,
        -0.02389,
        0.07434,
        -0.04549,
        0.0,
        0.0,
        1.058,
    ),
    (
        -0.2044,
        -0.1927,
        -0.1903,
        0.07139,
        -0.1763,
        -0.01475,
        0.01041,
        -0.006369,
        -0.01044,
        -0.004539,
        0.0,
        0.0,
        -0.3685,
        0.2911,
    ),
)
"""Rows of the Cholesky factor of their covariance, up to the diagonal."""


def _covariance() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    factor = np.zeros((len(MEAN), len(MEAN)))
    for row, values in enumerate(_FACTOR):
        factor[row, : len(values)] = values
    return factor @ factor.T


COVARIANCE = _covariance()
"""(D, D) their covariance."""
