"""Findings of a made-up set whose truth is known."""

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from chaffinch.core.basis import Basis
from chaffinch.core.findings import Findings
from chaffinch.core.judged import judged_columns
from chaffinch.core.kinds import CLEAN, KINDS, MISLABELLED, place


def made_up(
    seed: int = 0,
    count: int = 600,
    classes: tuple = ("a", "b", "c"),
    rate: float = 0.15,
    sharp: float = 2.5,
    believed: float = 1.0,
) -> tuple[Findings, np.ndarray]:
    """Findings and right labels: log-odds normal around +-`sharp`, told too large by a factor."""
    random = np.random.default_rng(seed)
    names = np.asarray(classes)
    right = random.integers(0, len(names), count)
    wrong = random.random(count) < rate
    shift = random.integers(1, len(names), count)
    given = np.where(wrong, (right + shift) % len(names), right)
    odds = np.where(wrong, sharp, -sharp) + random.normal(size=count) * np.sqrt(2 * sharp)
    chance = np.clip(expit(believed * odds + logit(rate)), 1e-4, 1 - 1e-4)
    kinds = np.zeros((count, len(KINDS)))
    kinds[:, place(MISLABELLED)], kinds[:, place(CLEAN)] = chance, 1 - chance
    other = np.where(wrong, right, (given + shift) % len(names))
    alternatives = np.full((count, len(names)), 0.1)
    alternatives[np.arange(count), other] = 1
    alternatives[np.arange(count), given] = 0
    features = {
        "prior": logit(chance),
        "odds": believed * odds,
        "rest": np.full(count, -4.0),
        "rival": other.astype(np.float64),
        "fold": believed * odds + random.normal(size=count),
    }
    basis = Basis.of(features, given, alternatives / alternatives.sum(axis=1, keepdims=True))
    columns = judged_columns(
        kinds, chance > 0.5, chance, names[basis.others[:, 0]], basis.shares[:, 0]
    )
    ids = [f"s{row}" for row in range(count)]
    table = pd.DataFrame({"id": ids, "given_label": names[given], **columns, "why": ""})
    return Findings(table, names, float(chance.sum()), basis=basis), names[right]


def answers_to(findings: Findings, right: np.ndarray, rows: np.ndarray) -> dict:
    return {findings.table["id"].iloc[row]: right[row] for row in rows}
