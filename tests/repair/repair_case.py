import numpy as np
import pandas as pd

from chaffinch.core.findings import Findings


def make_findings(rows: list[dict]) -> Findings:
    """Findings of rows that name what differs from a clean sample of class "a"."""
    usual = {
        "given_label": "a",
        "suspicion": 0.01,
        "flagged": False,
        "kind": "clean",
        "kind_probability": 0.9,
        "suggested_label": None,
        "suggestion_confidence": np.nan,
        "q_value": 0.01,
    }
    table = pd.DataFrame([{"id": f"s{n}", **usual, **row} for n, row in enumerate(rows)])
    return Findings(table, np.array(["a", "b"], dtype=object), 1.0)


def wrong(suspicion: float, confidence: float, **more: object) -> dict:
    """A flagged, mislabelled sample that should be "b"."""
    return {
        "suspicion": suspicion,
        "flagged": True,
        "kind": "mislabelled",
        "kind_probability": suspicion,
        "suggested_label": "b",
        "suggestion_confidence": confidence,
        **more,
    }
