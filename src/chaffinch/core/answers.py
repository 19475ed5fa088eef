"""Answers of people about the labels of samples: read, checked, and joined over reviewers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.labels import class_named, class_names, refuse_surrogates
from chaffinch.core.types import Codes, Floats

COLUMNS = ("id", "label", "wrong", "weight", "reviewer")
_YES, _NO = ("true", "yes", "1", "wrong"), ("false", "no", "0", "right")
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Answers:
    """What people said of n samples, joined over reviewers.

    Attributes:
        rows: (n,) positions of the samples, each once.
        wrong: (n,) 1 if the label is wrong, 0 if it is right, between where reviewers differ.
        codes: (n,) the right class where one was named, else -1.
        weights: (n,) one over the probability with which the sample was drawn; NaN where unknown.
        undecided: Samples of which nobody could tell.
        agreement: ``samples`` that several reviewers looked at, the ``share`` of pairs of answers
            that agree, and Cohen's ``kappa``; None where nobody looked twice.
    """

    rows: Codes
    wrong: Floats
    codes: Codes
    weights: Floats
    undecided: int
    agreement: dict[str, float] | None

    def __len__(self) -> int:
        return len(self.rows)


def frame(answers: Mapping[Any, Any] | pd.DataFrame, classes: NDArray[Any]) -> pd.DataFrame:
    """Answers as a table with the columns `COLUMNS`, one row an answer.

    Args:
        answers: ``{id: right label}`` or ``{id: True or False}`` (True: the label is wrong), also
            mixed; or a table with ``id`` and ``label`` or ``wrong``, and at will ``weight`` and
            ``reviewer``. None and NaN mean that the reviewer could not tell. Where the classes
            themselves are booleans, True and False in a mapping or in ``label`` are labels.
        classes: (C,) the classes.

    Returns:
        ``label`` holds codes (-1: none named), ``wrong`` 1, 0 or NaN; ``weight`` is NaN where there
        was none, and the column is missing where no weights were given at all.

    Raises:
        InputError: Other columns, or labels that are no class.
    """
    if isinstance(answers, pd.DataFrame):
        if "id" not in answers or not {"label", "wrong"} & set(answers):
            raise InputError(
                "answers with the columns 'id' and 'label' or 'wrong'",
                ", ".join(map(str, answers.columns)) or "none",
                "Rename the columns",
            )
        if not answers.columns.is_unique or answers.columns.nlevels > 1:
            raise InputError(
                "answers with one column of each name",
                ", ".join(map(str, answers.columns)),
                "Rename or drop the others",
            )
        table = answers.reset_index(drop=True)
    elif isinstance(answers, Mapping):
        table = pd.DataFrame(
            {"id": list(answers), "label": pd.Series(list(answers.values()), dtype=object)}
        )
    else:
        raise InputError(
            "answers as {id: right label}, {id: True or False} or a DataFrame",
            f"a {type(answers).__name__}",
            "See docs/calibration.md",
        )
    codes, wrong = _labels(table.get("label"), classes, len(table))
    if "wrong" in table:
        said = np.asarray([_verdict(value) for value in table["wrong"]])
        wrong = np.where(np.isnan(wrong), said, wrong)
    refuse_surrogates(table["id"], "the ids of the answers")
    made = pd.DataFrame({"id": [_key(one) for one in table["id"]], "label": codes, "wrong": wrong})
    if "weight" in table:
        made["weight"] = _weights(table["weight"])
    made["reviewer"] = table["reviewer"].astype(str) if "reviewer" in table else ""
    return made


def _key(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def _labels(
    values: "pd.Series[Any] | None", classes: NDArray[Any], count: int
) -> tuple[Codes, Floats]:
    """(n,) codes of named classes, -1 for none, and (n,) verdicts in place of labels, else NaN."""
    codes, wrong = np.full(count, -1), np.full(count, np.nan)
    if values is None:
        return codes, wrong
    code_of = {name: code for code, name in enumerate(class_names(classes))}
    unknown = []
    for row, value in enumerate(values.astype(object)):
        if _is_missing(value):
            continue
        moment = isinstance(value, np.datetime64 | np.timedelta64)
        word = class_names(np.asarray([value]))[0] if moment else class_named(str(value), code_of)
        if isinstance(value, bool | np.bool_) and word not in code_of:
            wrong[row] = float(value)
        elif word in code_of:
            codes[row] = code_of[word]
        else:
            unknown.append(value)
    if unknown:
        shown = ", ".join(map(repr, unknown[:_SHOWN]))
        known = ", ".join(map(repr, classes.tolist()[:5])) + (", ..." if len(classes) > 5 else "")
        raise InputError(
            f"answers that name one of the classes ({known})",
            f"{len(unknown)} that name none, such as {shown}",
            f"{_meant(str(unknown[0]), code_of)}Mend them, or answer True (the label is wrong), "
            "False or None (cannot tell)",
        )
    return codes, wrong


def _meant(word: str, names: Collection[str]) -> str:
    """The question whether a class was meant that is written much like this; "" for none."""
    folded = {name.strip().casefold(): name for name in names}
    close = get_close_matches(word.strip().casefold(), folded, n=1)
    return f"Did you mean {folded[close[0]]!r}? " if close else ""


def _is_missing(value: Any) -> bool:
    """Whether a cell says nothing; an array says something, if no answer."""
    return np.ndim(value) == 0 and bool(pd.isna(value))


def _verdict(value: Any) -> float:
    if _is_missing(value) or str(value).strip() == "":
        return float("nan")
    word = str(value).strip().lower().removesuffix(".0")
    if word not in _YES + _NO:
        raise InputError(
            "True, False or nothing in the column 'wrong'", repr(value), "Mend the answer"
        )
    return float(word in _YES)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return float("nan")


def _weights(values: "pd.Series[Any]") -> Floats:
    numbers = np.asarray([_number(value) for value in values.astype(object)])
    bad = values.notna().to_numpy() & ~(np.isfinite(numbers) & (numbers > 0))
    if bad.any():
        raise InputError(
            "positive weights, or none where the sample was not drawn at random",
            f"{int(bad.sum())} others, such as {values[bad].iloc[0]!r}",
            "Pass the weights that to_check gave",
        )
    return numbers


def join(table: pd.DataFrame, ids: Sequence[str], given: Codes) -> Answers:
    """Join the answers of several reviewers, each by how well it agrees with the others.

    A reviewer counts as much as the share of its verdicts that others share, (a + 1) / (m + 2) for
    a of m; so a lone dissenter moves a verdict, and one who often dissents moves it less.

    Args:
        table: As `frame` makes it.
        ids: (N,) all ids.
        given: (N,) given labels.

    Raises:
        InputError: Ids that are not among them, or no answer at all.
    """
    place = {str(one): row for row, one in enumerate(ids)}
    strange = [one for one in table["id"] if one not in place]
    if strange:
        raise InputError(
            "answers for samples of these findings",
            f"{len(strange)} with other ids, such as {strange[0]!r}",
            "Answer by the column 'id' of the findings",
        )
    rows = np.asarray([place[one] for one in table["id"]], dtype=np.int64)
    codes, wrong = table["label"].to_numpy(), table["wrong"].to_numpy(np.float64).copy()
    named = codes >= 0
    wrong[named] = codes[named] != given[rows[named]]
    told = ~np.isnan(wrong)
    if not told.any():
        raise InputError(
            "at least one answer", f"none among {len(table)} rows", "Check some samples first"
        )
    decided = pd.DataFrame(
        {
            "row": rows,
            "wrong": wrong,
            "code": codes,
            "reviewer": table["reviewer"],
            "weight": table.get("weight", np.nan),
        }
    )[told].drop_duplicates(["row", "reviewer"], keep="last")
    trust = _trust(decided)
    decided = decided.assign(trust=decided["reviewer"].map(trust))
    grouped = decided.assign(said=decided["wrong"] * decided["trust"]).groupby("row")
    joined = grouped[["said", "trust"]].sum()
    weights = grouped["weight"].max()
    order = joined.index.to_numpy()
    return Answers(
        order,
        (joined["said"] / joined["trust"]).to_numpy(),
        _most_trusted(decided, order, given),
        weights.to_numpy(np.float64),
        len(set(rows.tolist()) - set(order.tolist())),
        _agreement(decided),
    )


def _most_trusted(decided: pd.DataFrame, order: Codes, given: Codes) -> Codes:
    """(n,) the other class with most trust behind it, -1 where none was named."""
    other = decided[(decided["code"] >= 0) & (decided["code"] != given[decided["row"]])]
    sums = other.groupby(["row", "code"])["trust"].sum().reset_index()
    best = sums.sort_values("trust", kind="stable").drop_duplicates("row", keep="last")
    found = best.set_index("row")["code"].reindex(order).fillna(-1)
    return found.to_numpy(np.int64)


def _shared(decided: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Pairs of reviewers with the samples that both looked at."""
    by_reviewer = decided.pivot(index="row", columns="reviewer", values="wrong")
    pairs = []
    for one, other in combinations(by_reviewer.columns, 2):
        both = by_reviewer[[one, other]].dropna()
        if len(both):
            pairs.append((one, other, both))
    return pairs


def _trust(decided: pd.DataFrame) -> dict[str, float]:
    counts = {name: [1.0, 2.0] for name in decided["reviewer"].unique()}
    for one, other, both in _shared(decided):
        agreed = float((both[one] == both[other]).sum())
        for name in (one, other):
            counts[name][0] += agreed
            counts[name][1] += len(both)
    return {name: agreed / seen for name, (agreed, seen) in counts.items()}


def _agreement(decided: pd.DataFrame) -> dict[str, float] | None:
    """Share of agreeing pairs of verdicts, and Cohen's kappa (1960) averaged over the pairs."""
    pairs = _shared(decided)
    if not pairs:
        return None
    agreed = chance = total = 0.0
    for one, other, both in pairs:
        first, second = both[one].to_numpy(), both[other].to_numpy()
        agreed += float((first == second).sum())
        p, q = first.mean(), second.mean()
        chance += len(both) * float(p * q + (1 - p) * (1 - q))
        total += len(both)
    share, expected = agreed / total, chance / total
    kappa = (share - expected) / (1 - expected) if expected < 1 else 1.0
    looked_at = decided.groupby("row").size()
    return {"samples": int((looked_at > 1).sum()), "share": share, "kappa": float(kappa)}
