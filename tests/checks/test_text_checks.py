# ruff: noqa: RUF001 - texts in other scripts are what is tested

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chaffinch as cf
from chaffinch.checks.language import other_language, script_of
from chaffinch.checks.personal import has_account, has_card, has_email, has_phone, luhn
from chaffinch.checks.text import damage_of, odd_lengths, shared_parts

COMMON = (
    "the a cat dog house river that was with and for they had seen before it in bright old "
    "window garden child walks slowly because of his her blue train at night which is not far"
)
FOREIGN = {
    "German": "ich habe nicht gewusst, dass der Zug mit den Kindern und dem Hund fährt",
    "French": "je ne sais pas dans quelle maison elle est avec les enfants et le chien",
    "Spanish": "no sé por qué el perro está con los niños en la casa, pero es muy bonito",
    "Cyrillic": "поезд пришёл поздно ночью и никто его не видел",
    "Cjk": "昨日の夜、電車はとても遅れて着きました",
}
DAMAGED = ("CafÃ© was closed", "itâ€™s late", "a \ufffd b", "Tom &amp; Jerry", "caf\\u00e9 au lait")
SOUND = ("Café was closed", "it's late", "Tom & Jerry", "R&D; done", "C:\\users\\me", "Übermut")


def sentences(count, seed=0):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(COMMON.split(), random.integers(7, 16))) for _ in range(count)]


def check(texts):
    return cf.check(pd.DataFrame({"text": texts}), text_column="text")


def test_clean_texts_have_no_issue():
    found = check(sentences(400))
    assert found.issues.empty, found.summary()


@pytest.mark.parametrize("name", FOREIGN)
def test_another_language_is_found(name):
    texts = [*sentences(300), FOREIGN[name]]
    flagged, names = other_language(texts)
    assert np.flatnonzero(flagged).tolist() == [300]
    assert names[300] == name
    assert check(texts).samples("language")["row"].tolist() == [300]


def test_a_language_of_many_texts_belongs_to_the_set():
    texts = sentences(50) + [f"{FOREIGN['German']} {n}" for n in range(50)]
    assert not other_language(texts)[0].any()


def test_the_script_is_that_of_most_letters():
    assert script_of("hello Мир") == "LATIN"
    assert script_of("Привет, Tom") == "CYRILLIC"
    assert script_of("12 + 3") == ""


@pytest.mark.parametrize("text", DAMAGED)
def test_damage_is_found(text):
    assert damage_of(text) > 0
    assert check([*sentences(100), text]).samples("encoding_damage")["row"].tolist() == [100]


@pytest.mark.parametrize("text", SOUND)
def test_sound_text_is_not_damaged(text):
    assert damage_of(text) == 0


@given(st.text(st.characters(codec="latin-1", min_codepoint=0xA1, max_codepoint=0xFF), min_size=1))
def test_utf8_read_as_latin_1_is_always_found(text):
    assert damage_of(text.encode("utf-8").decode("latin-1")) > 0


def test_boilerplate_is_found_but_not_in_whole_copies():
    notice = "This message was sent from a mobile telephone."
    own = sentences(60)
    texts = [f"{text}. {notice}" for text in own[:10]] + own[10:] + [notice] * 4
    shares, common = shared_parts(texts)
    assert common == [notice]
    assert np.flatnonzero(shares).tolist() == list(range(10))


def test_lengths_far_from_the_usual_are_odd():
    random = np.random.default_rng(0)
    lengths = np.exp(random.normal(4, 0.3, 500)).round()
    lengths[[3, 4, 5]] = 2, 4000, 0
    flagged, scores = odd_lengths(lengths)
    assert np.flatnonzero(flagged).tolist() == [3, 4]
    assert scores[3] > 0.5 > scores[6]
    assert not odd_lengths(np.asarray([100.0] * 50 + [130.0, 80.0]))[0].any()


@pytest.mark.parametrize(
    ("look", "yes", "no"),
    [
        (has_email, ("mail me at jo.doe+x@mail.example.co.uk!",), ("a@b", "@name", "x@y.z1")),
        (
            has_phone,
            ("call +49 30 1234567", "(212) 555-0123", "212-555-0123", "+1 212 555 0123"),
            ("2024-01-15", "1234567", "3.14159265", "10-20-30", "+5 points"),
        ),
        (
            has_card,
            ("4111 1111 1111 1111", "5500-0000-0000-0004"),
            ("4111 1111 1111 1112", "0" * 16),
        ),
        (
            has_account,
            ("GB82 WEST 1234 5698 7654 32",),
            ("GB82 WEST 1234 5698 7654 33", "AB12 CDEF"),
        ),
    ],
)
def test_personal_data_are_told_from_look_alikes(look, yes, no):
    assert all(map(look, yes))
    assert not any(map(look, no))


@given(st.integers(0, 10**15 - 1))
def test_luhn_accepts_one_last_digit_of_ten(number):
    digits = f"{number:015d}"
    accepted = [last for last in range(10) if luhn(f"{digits}{last}")]
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    assert accepted == [-sum(value // 10 + value % 10 for value in doubled) % 10]


def test_personal_data_in_texts_are_named():
    texts = sentences(100)
    texts[7] += " write to someone@example.org"
    found = check(texts)
    assert found.samples("pii")["row"].tolist() == [7]
    assert found.issues.set_index("issue").loc["pii", "names"] == ["texts (1 e-mail addresses)"]
