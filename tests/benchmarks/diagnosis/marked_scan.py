"""Small problems with glitches of known place, and scans that were never run."""

import numpy as np
import pandas as pd

from benchmarks.experiments.diagnosis.problem import Problem
from benchmarks.experiments.diagnosis.tool import Scanned
from chaffinch.core.findings import Findings


def posed(kinds, twin=None, repeated=None):
    count = len(kinds)
    return Problem(
        data=None,
        validation=None,
        kinds=np.asarray(kinds, dtype="<U20"),
        truth=np.zeros(count, dtype=np.int64),
        twin=np.full(count, -1) if twin is None else np.asarray(twin),
        repeated=np.zeros(count, dtype=bool) if repeated is None else np.asarray(repeated),
        model=None,
    )


def said(kinds, suspicion=None, flagged=None, q=None, rates=(), cost=1.0):
    count = len(kinds)
    table = pd.DataFrame(
        {
            "suspicion": np.zeros(count) if suspicion is None else suspicion,
            "flagged": np.zeros(count, dtype=bool) if flagged is None else flagged,
            "kind": kinds,
            "q_value": np.ones(count) if q is None else q,
        }
    )
    found = Findings(table, np.arange(2), 0.0, details={"rates": list(rates)})
    return Scanned(found, None, cost)
