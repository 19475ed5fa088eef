"""The tool's own judgement: what a user of ``chaffinch scan`` is shown."""

import numpy as np

from benchmarks.method import Scored, method
from benchmarks.situation import Situation
from chaffinch.diagnosis.judgement import judge_evidence


@method("chaffinch", origin="chaffinch")
def chaffinch(situation: Situation, seed: int) -> Scored:
    """The suspicion and the flags of a scan, from the recorded evidence and default settings."""
    table = judge_evidence(situation.evidence, (), seed).table
    suspicion = table["suspicion"].to_numpy(np.float64)
    return Scored(suspicion, table["flagged"].to_numpy(np.bool_))
