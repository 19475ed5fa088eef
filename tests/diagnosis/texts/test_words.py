import numpy as np
import pytest

from chaffinch.diagnosis.texts import read_words


def key(text):
    return read_words([text]).keys[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is  Paris?", "what is paris"),
        ("Say \u201chello\u201d, please!", 'say "hello" please'),
        ("The \ufb01ne print", "the fine print"),  # a ligature
        ("- first\n- second", "First, second."),
        ("**bold** text", "bold text"),
        ("isn\u2019t it", "isn't it"),
        ("1,000 apples", "1,000 apples."),
    ],
)
def test_what_makes_no_difference(one, other):
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12 + 7", "12 - 7"),
        ("12 * 7", "12 / 7"),
        ("x - y", "x / y"),
        ("is 5 warm", "is -5 warm"),
        ("3.5 kg", "35 kg"),
        ("written in C", "written in C++"),
        ("written in C", "written in C#"),
        ("so good \U0001f600", "so good \U0001f621"),
        ("\u0915\u0940", "\u0915\u093e"),  # Hindi: the vowel is a mark
        ("5 %", "5 $"),
        ("?", "!"),  # no words at all: the text itself
    ],
)
def test_what_makes_a_difference(one, other):
    assert key(one) != key(other)


def test_ideographs_are_words():
    words = read_words(["\u6cd5\u56fd\u7684\u9996\u90fd", "Seoul \uc11c\uc6b8"])
    assert [len(words.row(text)) for text in (0, 1)] == [5, 2]


def test_names_and_meaning():
    words = read_words(["Ask Peter. The end of May 7\nBut not now"])
    told = [words.vocabulary[code] for code in words.codes[words.names]]
    assert told == ["peter", "may"]
    assert [word for word, m in zip(words.vocabulary, words.meaning, strict=True) if m] == [
        "7",
        "not",
    ]


def test_signatures_know_the_order_of_figures_and_one_negation_like_another():
    texts = ["is 3 > 5", "is 5 > 3", "3 > 5 it is", "it is not", "it isn't", "it is"]
    found = read_words(texts).signatures()
    assert found[0] == found[2] != found[1]
    assert found[3] == found[4] != found[5]


def test_texts_are_taken_as_they_are():
    texts = ["one Two three", "", "four five", "one"]
    words = read_words(texts)
    taken, again = words.take(np.asarray([2, 0, 1])), read_words([texts[2], texts[0], texts[1]])
    assert taken.keys == again.keys == ("four five", "one two three", "")
    for text in range(3):
        told = [[one.vocabulary[code] for code in one.row(text)] for one in (taken, again)]
        assert told[0] == told[1]
    np.testing.assert_array_equal(taken.names, again.names)
    assert len(read_words([])) == 0
