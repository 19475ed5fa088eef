"""One sentence on a sample, by its kind; every word of it rests on a figure of the evidence."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chaffinch.core import kinds
from chaffinch.core.types import Strings
from chaffinch.diagnosis.explanation.view import HELD_OUT, View

_MUCH, _VERY_MUCH = 2.0, 100.0
_LATE = 0.25
_FAR = 1.3
_SOME = 3
_LIKELY = 0.5


@dataclass(frozen=True, eq=False)
class Words:
    """What a sentence needs beside the figures.

    Attributes:
        view: The figures.
        ids: (N,) of the samples.
        names: (C,) classes as text.
        said: (N,) kinds of the samples.
        other: (N,) code of the class to name as the alternative; -1 where there is none.
        standing_out: Text by row on the scorers by which a sample stands out; "" for none.
    """

    view: View
    ids: Strings
    names: list[str]
    said: Strings
    other: np.ndarray[tuple[int], np.dtype[np.int64]]
    standing_out: Callable[[int], str]

    def given(self, row: int) -> str:
        """The given label."""
        return self.names[int(self.view.labels.codes[row])]

    def alternative(self, row: int) -> int | None:
        """The class to weigh the given one against."""
        return int(self.other[row]) if self.other[row] >= 0 else self.view.likeliest_other(row)


def sentence(words: Words, row: int) -> str:
    """Say why the sample in a row was judged as it was, in the way of its kind."""
    return _BY_KIND.get(str(words.said[row]), _clean)(words, row)


def _mislabelled(words: Words, row: int) -> str:
    against = _against(words, row)
    if not against:
        hint = words.standing_out(row) or "its scores taken together are those of wrong labels"
        return f"Labelled {words.given(row)}; no single sign says otherwise, but {hint}."
    return f"Labelled {words.given(row)}, but {_joined(against)}."


def _ambiguous(words: Words, row: int) -> str:
    other = words.alternative(row)
    own, given = int(words.view.labels.codes[row]), words.given(row)
    if other is None:
        return f"Neither clearly {given} nor clearly anything else; ask a second person."
    name, signs = words.names[other], []
    p = words.view.probabilities
    if p is not None:
        signs.append(
            f"{_models(words)} give {_percent(p[row, own])} to the first and "
            f"{_percent(p[row, other])} to the second"
        )
    if words.view.num_neighbours:
        first, second = (words.view.neighbours_labelled(row, code) for code in (own, other))
        signs.append(
            f"of its {words.view.num_neighbours} nearest neighbours {first} "
            f"{_are(first)} {given} and {second} {_are(second)} {name}"
        )
    return f"Between {given} and {name}: {'; '.join(signs)}. Ask a second person."


def _far_cluster(words: Words, row: int) -> str:
    given, count = words.given(row), _of_same_kind(words, row)
    signs = [*_apart(words, row), *_in_group(words, row)]
    group = f"One of {count} samples" if count > 1 else "A sample"
    text = f"{group} labelled {given} that belong together and not to that class"
    return f"{text}: {_joined(signs)}." if signs else f"{text}."


def _outlier(words: Words, row: int) -> str:
    signs = _apart(words, row)
    if hint := words.standing_out(row):
        signs.append(hint)
    text = f"Labelled {words.given(row)}, but looks damaged or foreign"
    return f"{text}: {_joined(signs)}." if signs else f"{text}, by all its inputs together."


def _conflict(words: Words, row: int) -> str:
    twin = _twin(words, row)
    if twin is None:
        return f"Nearly the same as a sample with another label than {words.given(row)}."
    text = (
        f"Nearly the same as {words.ids[twin]}, which is labelled {words.given(twin)} and not "
        f"{words.given(row)}; at most one of the two is right"
    )
    against = _against(words, row)
    return f"{text}, and {_joined(against)}." if against else f"{text}."


def _duplicate(words: Words, row: int) -> str:
    twin = _twin(words, row)
    if twin is None:
        return f"Nearly the same as another sample labelled {words.given(row)}; one is enough."
    same = words.view.labels.codes[twin] == words.view.labels.codes[row]
    labelled = f"{'also ' if same else ''}labelled {words.given(twin)}"
    return f"Nearly the same as {words.ids[twin]}, {labelled}; one is enough."


def _near_cluster(words: Words, row: int) -> str:
    count, given = _of_same_kind(words, row), words.given(row)
    group = f"One of only {count} samples" if count > 1 else "The only sample"
    signs = _joined([*_apart(words, row)[:1], *_in_group(words, row)])
    text = f"{group} labelled {given}, a rare class, as validation samples confirm"
    return f"{text}{': ' + signs if signs else ''}. Right and worth having: keep."


def _hard(words: Words, row: int) -> str:
    view, own = words.view, int(words.view.labels.codes[row])
    why_hard, why_right = [], []
    if view.learned is not None and view.losses is not None:
        epochs, when = len(view.losses), int(view.learned[row])
        if when >= epochs:
            why_hard.append("never learned")
        elif when >= max(2, _LATE * epochs):
            why_hard.append(f"learned only after epoch {when + 1} of {epochs}")
        elif view.loss_ratio is not None and view.loss_ratio[row] >= _MUCH:
            why_hard.append(f"its loss {_times(view.loss_ratio[row])} the median of its class")
    same = view.neighbours_labelled(row, own)
    if same >= _SOME:
        why_right += _usual_label(words, row)
    if view.probabilities is not None and view.probabilities[row, own] >= 0.1:
        p = _percent(view.probabilities[row, own])
        why_right.append(f"{_models(words)} give it {p}")
    hard = f"Hard ({why_hard[0]})" if why_hard else "Hard"
    if not why_right:
        return f"{hard}; too little speaks against {words.given(row)} to call it wrong: keep."
    return f"{hard}, but likely right: {_joined(why_right)}. Keep."


def _clean(words: Words, row: int) -> str:
    given, against = words.given(row), _against(words, row)
    if against:
        return f"Labelled {given}; {_joined(against)}, which is not enough to call it wrong."
    signs = _usual_label(words, row)
    if words.view.probabilities is not None:
        p = words.view.probabilities[row, int(words.view.labels.codes[row])]
        signs.append(f"{_models(words)} give it {_percent(p)}")
    return f"Nothing is held against {given}{': ' + _joined(signs) if signs else ''}."


_BY_KIND: dict[str, Callable[[Words, int], str]] = {
    kinds.MISLABELLED: _mislabelled,
    kinds.AMBIGUOUS: _ambiguous,
    kinds.FAR_CLUSTER: _far_cluster,
    kinds.OUTLIER: _outlier,
    kinds.CONFLICTING_DUPLICATE: _conflict,
    kinds.NEAR_DUPLICATE: _duplicate,
    kinds.NEAR_CLUSTER: _near_cluster,
    kinds.HARD: _hard,
    kinds.CLEAN: _clean,
}


def _against(words: Words, row: int) -> list[str]:
    """Signs against the given label, the most telling first."""
    return [
        *_neighbours_against(words, row),
        *_prediction_against(words, row),
        *_loss_against(words, row),
    ]


def _neighbours_against(words: Words, row: int) -> list[str]:
    view, k = words.view, words.view.num_neighbours
    own = int(view.labels.codes[row])
    same = view.neighbours_labelled(row, own)
    if not k or 2 * same > k or view.neighbours is None:
        return []
    other = words.alternative(row)
    many = 0 if other is None else view.neighbours_labelled(row, other)
    if other is not None and 2 * many >= k:
        return [f"{_of_all(many, k)} nearest neighbours are {words.names[other]}"]
    if not same:
        return [f"none of its {k} nearest neighbours shares the label"]
    return [f"only {same} of its {k} nearest neighbours {_share(same)} the label"]


def _prediction_against(words: Words, row: int) -> list[str]:
    p = words.view.probabilities
    own, other = int(words.view.labels.codes[row]), words.alternative(row)
    if p is None or other is None or p[row, other] <= p[row, own]:
        return []
    name = words.names[other]
    if p[row, other] < _LIKELY:
        return [f"{_models(words)} lean to {name} ({_percent(p[row, other])})"]
    return [f"{_models(words)} say {name} ({_percent(p[row, other])})"]


def _loss_against(words: Words, row: int) -> list[str]:
    ratio = words.view.loss_ratio
    if ratio is None or ratio[row] < _MUCH:
        return []
    return [f"its loss stayed {_times(ratio[row])} the median of its class"]


def _apart(words: Words, row: int) -> list[str]:
    """How far the sample lies from where samples usually lie, the most telling first."""
    view = words.view
    told = (
        (view.strangeness, "the nearest validation sample is {} as far away as usual"),
        (view.remoteness, "its nearest neighbours are {} as far away as usual"),
        (view.eccentricity, "it lies {} as far from the middle of its class as usual"),
    )
    far = [(float(ratio[row]), text) for ratio, text in told if ratio is not None]
    far = [(ratio, text) for ratio, text in far if ratio >= _FAR]
    return [text.format(_times(ratio)) for ratio, text in sorted(far, key=lambda one: -one[0])][:2]


def _in_group(words: Words, row: int) -> list[str]:
    """How many of the neighbours belong to the same group."""
    view, codes = words.view, words.view.labels.codes
    if view.neighbours is None:
        return []
    near = view.neighbours[row]
    same = int(((words.said[near] == words.said[row]) & (codes[near] == codes[row])).sum())
    if not same:
        return []
    verb = "belongs" if same == 1 else "belong"
    return [f"{_of_all(same, view.num_neighbours)} nearest neighbours {verb} to the group"]


def _usual_label(words: Words, row: int) -> list[str]:
    view = words.view
    if not view.num_neighbours:
        return []
    same = view.neighbours_labelled(row, int(view.labels.codes[row]))
    whole = _of_all(same, view.num_neighbours)
    return [f"{whole} nearest neighbours {_share(same)} its label"]


def _of_same_kind(words: Words, row: int) -> int:
    codes = words.view.labels.codes
    return int(((words.said == words.said[row]) & (codes == codes[row])).sum())


def _twin(words: Words, row: int) -> int | None:
    return None if words.view.twin is None else int(words.view.twin[row])


def _models(words: Words) -> str:
    if words.view.predicted_by == HELD_OUT:
        return "models that never saw it"
    return "the epochs of training, on average,"


def _times(ratio: float) -> str:
    if ratio > _VERY_MUCH:
        return "over 100 times"
    return f"{ratio:.0f} times" if ratio >= 9.95 else f"{ratio:.1f} times"


def _percent(share: float) -> str:
    if share > 0.995:
        return "over 99%"
    return "under 1%" if share < 0.005 else f"{share:.0%}"


def _of_all(count: int, total: int) -> str:
    return f"all {total} of its" if count == total else f"{count or 'none'} of its {total}"


def _share(count: int) -> str:
    return "shares" if count < 2 else "share"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _joined(parts: list[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]
