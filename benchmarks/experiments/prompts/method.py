"""The methods of the experiment ``prompts``: values of training prompts for test prompts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor

from benchmarks.data.prompt_set import PromptSet
from chaffinch.core.randomness import stream
from chaffinch.core.types import Floats
from chaffinch.influence.queries import (
    QUERY_ESTIMATORS,
    GradientTable,
    forest_influence,
    influence_of,
    prepare,
)

Evidence = Literal["whole", "sketched", "states", "before"]
Pair = tuple[GradientTable, dict[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Asked:
    """What a method is given.

    Attributes:
        prompts: Training and test prompts. Only methods whose name says so look at their kinds.
        evidence: What was kept of the training prompts, and the same of the test prompts by
            parameter or block: ``whole`` gradients, ``sketched`` ones, hidden ``states``, and those
            ``before`` the fine-tuning. Only what the methods of a call need is there.
        seed: Of what is random.
    """

    prompts: PromptSet
    evidence: dict[str, Pair]
    seed: int


@dataclass(frozen=True)
class Method:
    """A method of the experiment.

    Attributes:
        function: Values (N, M) of training prompts for test prompts; positive = helps, or alike.
        needs: The evidence that it looks at; None for the texts alone.
    """

    function: Callable[[Asked], Floats]
    needs: Evidence | None = None


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


FOREST = "task forests (uses task labels)"
TEXT = "text similarity"
BEFORE = "rep_cos before fine-tuning"


def _influence(estimator: str, needs: Evidence = "whole") -> Method:
    def values(asked: Asked) -> Floats:
        table, queries = asked.evidence[needs]
        found: Floats = influence_of(table, prepare(table, queries, estimator)).numpy()
        return found

    return Method(values, needs)


def _forests(asked: Asked) -> Floats:
    kinds = asked.prompts.train.kind.tolist()
    return forest_influence(*asked.evidence["sketched"], kinds, seed=asked.seed)


def _text(asked: Asked) -> Floats:
    """Cosine of TF-IDF terms of prompt and response: what looks alike, without any model."""
    texts = [
        (one.prompt + " " + one.response).tolist()
        for one in (asked.prompts.train, asked.prompts.test)
    ]
    terms = TfidfVectorizer(token_pattern=r"(?u)\S+").fit(texts[0])
    train, test = (terms.transform(one) for one in texts)
    found: Floats = np.asarray((train @ test.T).todense())
    return found


def _random(asked: Asked) -> Floats:
    shape = len(asked.prompts.train), len(asked.prompts.test)
    drawn: Floats = stream(asked.seed, "random influence").random(shape)
    return drawn


def _oracle(asked: Asked) -> Floats:
    train, test = asked.prompts.train.kind.to_numpy(), asked.prompts.test.kind.to_numpy()
    same: Floats = (train[:, None] == test).astype(np.float64)
    return same


METHODS: dict[str, Method] = {
    "grad_dot": _influence("grad_dot"),
    "grad_cos": _influence("grad_cos"),
    "datainf": _influence("datainf"),
    "ekfac": _influence("ekfac"),
    "ekfac_cos": _influence("ekfac_cos"),
    "trak": _influence("trak"),
    "grad_cos sketched": _influence("grad_cos", "sketched"),
    "datainf sketched": _influence("datainf", "sketched"),
    "trak sketched": _influence("trak", "sketched"),
    "rep_cos": _influence("rep_cos", "states"),
    BEFORE: _influence("rep_cos", "before"),
    FOREST: Method(_forests, "sketched"),
    TEXT: Method(_text),
    "random": Method(_random),
    "oracle": Method(_oracle),
}
"""All methods by name."""

ABOUT = {
    **{name: _sentence(QUERY_ESTIMATORS[name].summary) for name in QUERY_ESTIMATORS},
    **{
        f"{name} sketched": f"`{name}` on gradients that were projected at random"
        for name in ("grad_cos", "datainf", "trak")
    },
    BEFORE: "`rep_cos` by the model as it was before the fine-tuning",
    FOREST: "Isolation forests on the gradients of every kind of prompts, which need the kinds",
    TEXT: "Cosine of TF-IDF terms: what looks alike without any model",
}
"""One line about each method but the controls."""


def class_figures(values: Floats, train: Floats, test: Floats) -> tuple[float, float]:
    """Class detection AUC and recall, means over test prompts.

    Args:
        values: (N, M) influence; positive = helps.
        train: (N,) kinds of the training prompts.
        test: (M,) kinds of the test prompts.

    Returns:
        AUC of the values as a score for "of the same kind", ties counting half; and the share of
        the same kind among as many most helpful prompts as the kind has (90 as published), where
        ties count by their share.
    """
    aucs, recalls = [], []
    for column, kind in zip(values.T, test, strict=True):
        same = train == kind
        order = torch.from_numpy(np.asarray(column, dtype=np.float64))
        above = (order[same][:, None] > order[~same]).double()
        level = (order[same][:, None] == order[~same]).double()
        aucs.append(float((above + level / 2).mean()))
        recalls.append(_share_at_top(column, same))
    return float(np.mean(aucs)), float(np.mean(recalls))


def _share_at_top(column: Floats, same: Floats) -> float:
    """Expected share of ``same`` among the top, with ties broken at random."""
    count = int(same.sum())
    bound = np.sort(column)[::-1][count - 1]
    above, level = column > bound, column == bound
    room = (count - above.sum()) / max(1, level.sum())
    return float((same & above).sum() + room * (same & level).sum()) / count
