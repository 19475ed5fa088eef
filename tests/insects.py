"""A small table of three classes that are easily told apart, some labels of it wrong."""

import numpy as np
import pandas as pd

from chaffinch.corruptions import uniform_flips


def insects(classes, rate, seed=7):
    """120 rows with the columns a to d and label; ``rate`` of the labels are wrong."""
    random = np.random.default_rng(seed)
    truth = np.repeat([0, 1, 2], 40)
    centres = np.array([[0, 0, 0, 0], [5, 0, 5, 0], [0, 5, 0, 5]])
    table = pd.DataFrame(centres[truth] + random.normal(size=(120, 4)), columns=list("abcd"))
    labels, _ = uniform_flips(np.array(classes)[truth], rate, seed=3)
    return table.assign(label=labels)
