"""Ten arithmetic word problems, after the kinds of the appendix of DataInf (Kwon et al. 2024)."""

import string
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A word problem.

    Attributes:
        question: The text with a letter in braces for each number.
        solve: The answer, from the numbers by letter.
        reasoning: The calculation, with the letters of the question.
    """

    question: str
    solve: Callable[..., int]
    reasoning: str

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters that the question uses, in the order of the alphabet."""
        found = {name for _, name, _, _ in string.Formatter().parse(self.question) if name}
        return tuple(sorted(found))


PROBLEMS: dict[str, Problem] = {
    "leftover": Problem(
        "A cake is cut into {c} pieces. Ana takes {a} of them and Tom takes {b}. "
        "How many pieces remain?",
        lambda a, b, c: c - (a + b),
        "Pieces taken: {a} + {b}. Pieces that remain: {c} - ({a} + {b})",
    ),
    "ratio": Problem(
        "On a school outing {b} teachers look after every {a} pupils. How many teachers go with "
        "{c} pupils?",
        lambda a, b, c: b * c // a,
        "Teachers: {b} * {c} // {a}",
    ),
    "distractor": Problem(
        "A zoo keeps {a} seals and {b} penguins. It buys {c} more seals. How many seals are there "
        "now?",
        lambda a, c, **_other: a + c,
        "Seals: {a} + {c}",
    ),
    "total": Problem(
        "A player makes {a}, {b}, {c} and {d} points in four matches. What is the sum of the "
        "points?",
        lambda a, b, c, d: a + b + c + d,
        "Points: {a} + {b} + {c} + {d}",
    ),
    "hours": Problem(
        "Mia practises the violin {a} hours a day. How many hours does she practise in {b} days?",
        lambda a, b: a * b,
        "Hours: {a} * {b}",
    ),
    "discount": Problem(
        "The price of a coat is {a} dollars, and {b} dollars are taken off. What does the coat "
        "cost now?",
        lambda a, b: a - b,
        "Price: {a} - {b}",
    ),
    "area": Problem(
        "A field is {a} metres long and {b} metres wide. How many square metres does it cover?",
        lambda a, b: a * b,
        "Square metres: {a} * {b}",
    ),
    "savings": Problem(
        "Ben puts {a} dollars into his money box every week. How much is in it after {b} weeks?",
        lambda a, b: a * b,
        "Dollars: {a} * {b}",
    ),
    "boxes": Problem(
        "A farmer packs {b} eggs into cartons that hold {a} each. How many cartons become full?",
        lambda a, b: b // a,
        "Full cartons: {b} // {a}",
    ),
    "interest": Problem(
        "A bank pays {b} percent of simple interest a year on {a} dollars. How much interest is "
        "that in {c} years?",
        lambda a, b, c: a * b * c // 100,
        "Interest: {a} * {b} * {c} // 100",
    ),
}
"""The problems by the name of the kind."""
