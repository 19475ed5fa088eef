import pytest

from benchmarks.data.prompt_set import PROMPT_SETS, TRANSFORMATIONS, draw_sentences, prompt_set
from benchmarks.data.word_problem import PROBLEMS
from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream

BY_HAND = {
    "reverse": "blue. sky The",
    "alternate": "tHe sKy bLuE.",
    "ones": "The 1 sky 1 blue.",
    "stars": "Th* sky bl**.",
    "double": "TThhe sskkyy bbllue.",
    "capitals": "The Sky Blue.",
    "no_vowels": "Th sky bl.",
    "ly": "Thely skyly blue.ly",
    "no_consonants": "e  ue.",
    "repeat": "The The sky sky blue. blue.",
}


@pytest.mark.parametrize("kind", sorted(BY_HAND))
def test_transformations(kind):
    assert TRANSFORMATIONS[kind][1]("The sky blue.") == BY_HAND[kind]


def test_problems_by_hand():
    numbers = {"a": 7, "b": 30, "c": 50, "d": 2}
    expected = {
        "leftover": 13,
        "ratio": 214,
        "distractor": 57,
        "total": 89,
        "hours": 210,
        "discount": -23,
        "area": 210,
        "savings": 210,
        "boxes": 4,
        "interest": 105,
    }
    assert set(expected) == set(PROBLEMS)
    for name, problem in PROBLEMS.items():
        chosen = {letter: numbers[letter] for letter in problem.letters}
        assert problem.solve(**chosen) == expected[name]


@pytest.mark.parametrize("name", sorted(PROMPT_SETS))
def test_sizes_and_kinds_as_published(name):
    drawn = prompt_set(name, seed=3)
    assert len(drawn.train) == 900
    assert len(drawn.test) == 100
    assert set(drawn.train.kind.value_counts()) == {90}
    assert set(drawn.test.kind.value_counts()) == {10}
    assert drawn.train.prompt.is_unique
    assert not set(drawn.train.prompt) & set(drawn.test.prompt)
    assert (drawn.train.response != "").all()


@pytest.mark.parametrize("name", sorted(PROMPT_SETS))
def test_seeds(name):
    one, same, other = (prompt_set(name, seed, 5, 2, kinds=4) for seed in (0, 0, 1))
    assert one.train.equals(same.train)
    assert one.test.equals(same.test)
    assert not one.train.equals(other.train)
    assert one.train.kind.nunique() == 4


def test_reasoning_ends_in_the_answer():
    plain, reasoned = (
        prompt_set(name, 0, 6, 1).train for name in ("arithmetic", "arithmetic_reasoned")
    )
    assert (reasoned.response.str.contains(" = ")).all()
    assert set(plain.prompt.str.len()) != {0}
    for text in reasoned.response:
        calculation, answer = text.split(": ")[-1].split(" = ")
        assert eval(calculation) == int(answer)
    assert plain.response.str.fullmatch(r"-?\d+").all()


def test_limits():
    for numbers in ({"train": 0}, {"test": 0}, {"kinds": 11}):
        with pytest.raises(InputError, match="prompt of 1 to 10 kinds"):
            prompt_set("arithmetic", 0, **numbers)
    with pytest.raises(InputError, match="Known: arithmetic"):
        prompt_set("poems", 0)
    with pytest.raises(InputError, match="at most 5000"):
        draw_sentences(5001, stream(0, "test"))
    assert len(set(draw_sentences(200, stream(0, "test")))) == 200
