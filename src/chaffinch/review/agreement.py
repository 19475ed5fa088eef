"""How well reviewers agree with one another, and which samples tell."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from chaffinch.core.randomness import stream
from chaffinch.report import wording
from chaffinch.review.queue import SECOND_OPINIONS
from chaffinch.review.session import Session


@dataclass(frozen=True)
class Agreement:
    """Two reviewers on the samples that both decided.

    Attributes:
        one: The first.
        other: The second.
        samples: How many both decided.
        share: On how many of these they said the same, as text.
        kappa: Cohen's kappa (1960): 1 for full agreement, 0 for what chance would give; as text.
    """

    one: str
    other: str
    samples: int
    share: str
    kappa: str


def agreements(decisions: pd.DataFrame) -> list[Agreement]:
    """Every pair of reviewers with samples in common, those with the most first.

    Args:
        decisions: The last decision of every reviewer on every sample, as `Ledger.decisions` gives
            them. Who was unsure has not decided.
    """
    sure = decisions[decisions["action"] != "unsure"]
    said = sure["action"] + " " + sure["label"].fillna("").astype(str)
    wide = sure.assign(said=said).pivot(index="sample", columns="reviewer", values="said")
    found = []
    for one, other in combinations(wide.columns, 2):
        both = wide[[one, other]].dropna()
        if len(both):
            share, kappa = cohens_kappa(both[one], both[other])
            names = (wording.clean(one), wording.clean(other))
            found.append(Agreement(*names, len(both), wording.percent(share), f"{kappa:.2f}"))
    return sorted(found, key=lambda pair: -pair.samples)


def cohens_kappa(one: "pd.Series[str]", other: "pd.Series[str]") -> tuple[float, float]:
    """The share of samples (N,) on which two say the same, and Cohen's kappa.

    Returns:
        Share in 0..1, and kappa in -1..1; 1 where both say the same of all.
    """
    share = float((one.to_numpy() == other.to_numpy()).mean())
    first, second = (column.value_counts(normalize=True) for column in (one, other))
    verdicts = first.index.union(second.index)
    by_chance = float(
        np.dot(
            first.reindex(verdicts, fill_value=0.0).to_numpy(),
            second.reindex(verdicts, fill_value=0.0).to_numpy(),
        )
    )
    return share, (share - by_chance) / (1 - by_chance) if by_chance < 1 else 1.0


def second_opinions(session: Session, decisions: pd.DataFrame) -> list[int]:
    """Rows that others decided, drawn at random, the same ones each time.

    Args:
        session: Who is asked.
        decisions: As `Session.decisions` gives them.
    """
    others = decisions["sample"][decisions["reviewer"] != session.reviewer]
    rows = np.asarray(sorted({session.row_of[str(one)] for one in others}), np.int64)
    # A number of its own for each row, so that later decisions of others change few of them.
    drawn = stream(session.record.seed, f"second opinion {session.reviewer}")
    ranks = drawn.random(len(session.ids))
    chosen: list[int] = rows[np.argsort(ranks[rows])][:SECOND_OPINIONS].tolist()
    return chosen
