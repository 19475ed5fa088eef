"""What a second response to nearly the same prompt says: the same, as much, or the contrary."""

from typing import Literal

from chaffinch.diagnosis.texts.near import NEAR, NearTexts
from chaffinch.diagnosis.texts.word_lists import NEGATIONS

Relation = Literal["same", "agrees", "contradicts", "other"]

SHORT = 25
"""Words up to which two responses that share little contradict each other.

Longer ones may both be right: there are many poems on one subject.
"""

_AGREES = 0.5
_ALIKE = 0.8


class Agreement:
    """How N different responses to nearly the same prompts relate to one another.

    Args:
        responses: The responses.
        near: Share of the weight from which two are the same.
    """

    def __init__(self, responses: NearTexts, near: float = NEAR) -> None:
        self._texts, self._near = responses, near

    def relation(self, i: int, j: int, share: float) -> Relation:
        """How responses ``i`` and ``j`` relate, whose words have a share in common."""
        if i == j:
            return "same"
        said = [self._said(i), self._said(j)]
        (words, figures, denied), (others, numbers, refused) = said
        compatible = (figures <= numbers or numbers <= figures) and denied == refused
        if share >= self._near and figures == numbers and denied == refused:
            return "same"
        common = self._weight(words & others)
        least = min(self._weight(words), self._weight(others))
        if compatible and (common >= _AGREES * least if least else figures & numbers):
            return "agrees"
        lengths = [len(self._texts.words.row(one)) for one in (i, j)]
        alike = common >= _ALIKE * max(least, 1e-12) and not compatible
        return "contradicts" if max(lengths) <= SHORT or alike else "other"

    def _said(self, text: int) -> tuple[frozenset[int], frozenset[int], int]:
        """Words without figures, figures and signs, and how often something is denied."""
        words, row = self._texts.words, self._texts.words.row(text).tolist()
        denials = sum(_denies(words.vocabulary[code]) for code in row)
        figures = frozenset(
            code for code in row if words.meaning[code] and not _denies(words.vocabulary[code])
        )
        return frozenset(row) - figures, figures, denials

    def _weight(self, words: frozenset[int]) -> float:
        return float(self._texts.weights[list(words)].sum()) if words else 0.0


def _denies(word: str) -> bool:
    return word in NEGATIONS or word.endswith("n't")
