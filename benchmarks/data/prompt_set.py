"""Three sets of prompts of which it is known which training prompts teach what.

The recipe is that of DataInf (Kwon et al., ICLR 2024, appendix): ten sentence transformations, and
ten arithmetic word problems with and without the calculation in the response; of each kind 90
training and 10 test prompts. An attribution is right where it names training prompts of the kind of
the test prompt. All sentences, problems and names are this library's own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.data.word_problem import PROBLEMS, Problem
from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream
from chaffinch.core.registry import Registry

_VOWELS = frozenset("aeiouAEIOU")
_ADJECTIVES = [
    "Quiet",
    "Golden",
    "Tired",
    "Clever",
    "Ancient",
    "Hungry",
    "Gentle",
    "Restless",
    "Silver",
    "Humble",
]
_SUBJECTS = [
    "rivers",
    "owls",
    "bakers",
    "sailors",
    "gardens",
    "wolves",
    "lanterns",
    "poets",
    "gulls",
    "clocks",
]
_VERBS = [
    "follow",
    "greet",
    "forget",
    "guard",
    "admire",
    "carry",
    "answer",
    "paint",
    "trust",
    "outlive",
]
_OBJECTS = [
    "winding_roads.",
    "empty_harbours.",
    "warm_kitchens.",
    "distant_bells.",
    "new_neighbours.",
]
_SYLLABLES = ["ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "zo"]
_NAME_LENGTH = 3
_LARGEST = 99


@dataclass(frozen=True, eq=False)
class PromptSet:
    """Training and test prompts with their responses.

    Attributes:
        name: Name of the set.
        train: N rows with the columns ``prompt``, ``response`` and ``kind``.
        test: M rows with the same columns; no test prompt is a training prompt.
    """

    name: str
    train: pd.DataFrame
    test: pd.DataFrame


Draw = Callable[[int, np.random.Generator], dict[str, list[tuple[str, str]]]]
"""``draw(count, random)`` gives ``count`` prompts and responses of every kind."""

PROMPT_SETS: Registry[Draw] = Registry("prompt set")
"""The sets by name."""

TRANSFORMATIONS: dict[str, tuple[str, Callable[[str], str]]] = {
    "reverse": ("put the words in reverse order", lambda s: " ".join(s.split()[::-1])),
    "alternate": (
        "write every second character as a capital letter",
        lambda s: "".join(c.upper() if i % 2 else c.lower() for i, c in enumerate(s)),
    ),
    "ones": ("put the number 1 between the words", lambda s: " 1 ".join(s.split())),
    "stars": (
        "write a star for every vowel",
        lambda s: "".join("*" if c in _VOWELS else c for c in s),
    ),
    "double": (
        "write every consonant twice",
        lambda s: "".join(c * 2 if _is_consonant(c) else c for c in s),
    ),
    "capitals": (
        "begin every word with a capital letter",
        lambda s: " ".join(word.capitalize() for word in s.split()),
    ),
    "no_vowels": (
        "leave out all vowels",
        lambda s: "".join(c for c in s if c not in _VOWELS),
    ),
    "ly": ("add ly to every word", lambda s: " ".join(f"{word}ly" for word in s.split())),
    "no_consonants": (
        "leave out all consonants",
        lambda s: "".join(c for c in s if not _is_consonant(c)),
    ),
    "repeat": (
        "say every word two times",
        lambda s: " ".join(f"{word} {word}" for word in s.split()),
    ),
}
"""What is asked for, and what does it, by the name of the kind."""


def prompt_set(name: str, seed: int, train: int = 90, test: int = 10, kinds: int = 10) -> PromptSet:
    """Draw a set.

    Args:
        name: ``sentences``, ``arithmetic`` or ``arithmetic_reasoned``.
        seed: Decides sentences, names, numbers and their order.
        train: Training prompts of each kind; 90 as published.
        test: Test prompts of each kind; 10 as published.
        kinds: How many kinds, the first ones; 10 as published.

    Raises:
        InputError: An unknown set, or a number out of range.
    """
    draw = PROMPT_SETS[name]
    if min(train, test, kinds) < 1 or kinds > len(PROBLEMS):
        raise InputError(
            f"at least one training and test prompt of 1 to {len(PROBLEMS)} kinds",
            f"train={train}, test={test}, kinds={kinds}",
            "Choose other numbers",
        )
    random = stream(seed, f"prompts {name}")
    drawn = list(draw(train + test, random).items())[:kinds]
    first = [(*pair, kind) for kind, pairs in drawn for pair in pairs[:train]]
    second = [(*pair, kind) for kind, pairs in drawn for pair in pairs[train:]]
    return PromptSet(name, _frame(first, random), _frame(second, random))


def _frame(rows: Sequence[tuple[str, str, str]], random: np.random.Generator) -> pd.DataFrame:
    order = random.permutation(len(rows))
    return pd.DataFrame([rows[row] for row in order], columns=["prompt", "response", "kind"])


def _set(name: str) -> Callable[[Draw], Draw]:
    return lambda draw: PROMPT_SETS.add(name, draw)


@_set("sentences")
def sentences(count: int, random: np.random.Generator) -> dict[str, list[tuple[str, str]]]:
    """Ten transformations, each of a made-up chatbot, of the same ``count`` sentences."""
    drawn = draw_sentences(count, random)
    names = _names(len(TRANSFORMATIONS), random)
    return {
        kind: [(_request(name, wish, one), function(one)) for one in drawn]
        for name, (kind, (wish, function)) in zip(names, TRANSFORMATIONS.items(), strict=True)
    }


def _request(name: str, wish: str, sentence: str) -> str:
    return f"{name} is a chatbot that changes sentences in one way: {wish}. {sentence} ->"


def draw_sentences(count: int, random: np.random.Generator) -> list[str]:
    """``count`` different sentences of five words.

    Raises:
        InputError: More than there are.
    """
    parts = (_ADJECTIVES, _SUBJECTS, _VERBS, _OBJECTS)
    sizes = [len(part) for part in parts]
    if count > np.prod(sizes):
        raise InputError(f"at most {np.prod(sizes)} prompts of a kind", str(count), "Ask for fewer")
    chosen = random.choice(int(np.prod(sizes)), count, replace=False)
    places = np.unravel_index(chosen, sizes)
    rows = zip(*places, strict=True)
    return [
        " ".join(part[place] for part, place in zip(parts, row, strict=True)).replace("_", " ")
        for row in rows
    ]


def _names(count: int, random: np.random.Generator) -> list[str]:
    names: list[str] = []
    while len(names) < count:
        name = "".join(random.choice(_SYLLABLES, _NAME_LENGTH)).capitalize()
        if name not in names:
            names.append(name)
    return names


def _is_consonant(letter: str) -> bool:
    return letter.isascii() and letter.isalpha() and letter not in _VOWELS


@_set("arithmetic")
def arithmetic(count: int, random: np.random.Generator) -> dict[str, list[tuple[str, str]]]:
    """Ten word problems with numbers of 1 to 99; the response is the number."""
    return _solved(count, random, reasoned=False)


@_set("arithmetic_reasoned")
def arithmetic_reasoned(
    count: int, random: np.random.Generator
) -> dict[str, list[tuple[str, str]]]:
    """The same word problems; the response gives the calculation before the number."""
    return _solved(count, random, reasoned=True)


def _solved(
    count: int, random: np.random.Generator, reasoned: bool
) -> dict[str, list[tuple[str, str]]]:
    return {
        name: [_solve(problem, numbers, reasoned) for numbers in _numbers(problem, count, random)]
        for name, problem in PROBLEMS.items()
    }


def _numbers(problem: Problem, count: int, random: np.random.Generator) -> list[dict[str, Any]]:
    """Different numbers for the letters that a problem uses."""
    letters = problem.letters
    chosen = random.choice(_LARGEST ** len(letters), count, replace=False)
    places = np.unravel_index(chosen, [_LARGEST] * len(letters))
    return [
        {letter: int(one) + 1 for letter, one in zip(letters, row, strict=True)}
        for row in zip(*places, strict=True)
    ]


def _solve(problem: Problem, numbers: dict[str, Any], reasoned: bool) -> tuple[str, str]:
    prompt = f"Solve this problem. {problem.question.format(**numbers)} ->"
    answer = str(problem.solve(**numbers))
    if reasoned:
        answer = f"{problem.reasoning.format(**numbers)} = {answer}"
    return prompt, answer
