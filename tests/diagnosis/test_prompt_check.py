import time

import numpy as np
import pandas as pd
import pytest

from chaffinch.data.prompt import open_prompts
from chaffinch.diagnosis.prompt_check import check_prompts

ROWS = [
    ("Name the capital of France.", "Paris is the capital."),
    ("Name the capital  of france.", "Paris is the capital."),
    ("Name the capital of France.", "The mitochondria of the cell."),
    ("Add two and three please.", "five"),
    ("Write a poem on the winter sea.", "  "),
    ("Explain how vaccines work.", "They train the immune system."),
]


def prompts(rows):
    return open_prompts(pd.DataFrame(rows, columns=["prompt", "response"]))


def test_each_check_by_hand():
    train = prompts(ROWS)
    test = prompts([("explain how vaccines work", "?"), ("Something else entirely", "?")])
    found = check_prompts(train, test)
    assert found.id.tolist() == train.ids.tolist()
    assert found.empty_response.tolist() == [False] * 4 + [True, False]
    assert found.duplicate_of.tolist() == ["", train.ids[0], "", "", "", ""]
    # Two of three say Paris: the third is the one to doubt.
    assert found.contradicts.tolist() == [train.ids[2], train.ids[2], train.ids[0], "", "", ""]
    np.testing.assert_allclose(found.contradiction, [0, 0, 2 / 3, 0, 0, 0])
    assert found.test_prompt.tolist() == [""] * 5 + [test.ids[0]]
    assert found.leak.tolist() == [0] * 5 + [1]
    assert found.fault.tolist() == [""] * 6
    assert (found.mismatch.between(0, 1)).all()


TEMPLATES = {
    "alpaca": "Below is an instruction that describes a task. Write a response that completes the "
    "request.\n\n### Instruction:\n{}\n\n### Response:\n",
    "system": "You are a careful assistant of a travel agency in the old harbour.\n\n{}",
    "line": "Which city is the capital of {}?",
    "german": "Sie sind ein h\u00f6flicher Mitarbeiter im Reiseb\u00fcro.\n\nFrage: {}\nAntwort:",
    "chinese": "\u8bf7\u7528\u4e00\u53e5\u8bdd\u56de\u7b54\u5ba2\u4eba\u7684\u95ee\u9898\u3002{}",
}
LANDS = ["Peru", "Chile", "Kenya", "Nepal", "Malta", "Samoa", "Gabon", "Benin", "Qatar", "Yemen"]
SEATS = ["Lima", "Santiago", "Nairobi", "Kathmandu", "Valletta", "Apia", "Libreville", "Cotonou"]
SEATS += ["Doha", "Sanaa"]


@pytest.mark.parametrize("share", [1.0, 0.6])
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_shared_template_accuses_nobody(name, share):
    bare = [land if index >= share * 10 else "" for index, land in enumerate(LANDS)]
    asked = [one or TEMPLATES[name].format(land) for one, land in zip(bare, LANDS, strict=True)]
    answers = [f"The capital of {x} is {y}." for x, y in zip(LANDS, SEATS, strict=True)]
    test = prompts([(TEMPLATES[name].format("Fiji"), "Suva")])
    found = check_prompts(prompts(list(zip(asked, answers, strict=True))), test)
    for column in ("duplicate_of", "contradicts", "swapped_with", "test_prompt", "fault"):
        assert (found[column] == "").all(), column


def test_words_that_the_own_prompt_has_too_do_not_point_to_another():
    rows = [
        ("Where does an alpine glacier leave its moraine and boulders?", "Glacier, moraine"),
        ("Glacier moraine", "Ridges of debris"),
        *(
            (f"Name the largest town of {land}", seat)
            for land, seat in zip(LANDS, SEATS, strict=True)
        ),
    ]
    found = check_prompts(prompts(rows))
    assert found["mismatch"].iloc[0] < 0.5
    assert found["swapped_with"].iloc[0] == ""


@pytest.mark.parametrize("prompt", ["{} + {}", "What is {} - {}?", "Is {} more than {}?"])
def test_sums_are_not_copies_of_each_other(prompt):
    rows = [(prompt.format(a, b), str(a - b)) for a in range(2, 6) for b in range(2, 6)]
    found = check_prompts(prompts(rows), prompts([(prompt.format(7, 8), "?")]))
    for column in ("duplicate_of", "contradicts", "test_prompt", "fault"):
        assert (found[column] == "").all(), column


def test_negations_and_names_make_prompts_different():
    long = "in the northern part of the old harbour town where {} keeps the ferry office {} open"
    rows = [
        (f"Is it {word}allowed to swim " + long.format(name, "now"), answer)
        for name in ("Anna", "Berta")
        for word, answer in (("", "yes"), ("not ", "no"))
    ]
    rows += [(f"{land} " * 3, seat) for land, seat in zip(LANDS, SEATS, strict=True)]
    found = check_prompts(prompts(rows))
    assert (found.contradicts == "").all()
    again = check_prompts(prompts([*rows[:2], *rows[4:], (rows[0][0] + " please", "no")]))
    assert again.contradicts.tolist()[0] == again.id.tolist()[-1]


def test_leaks_with_another_template_or_a_word_more():
    frame = TEMPLATES["alpaca"]
    asked = [
        f"Tell me how people travel by night from {x} to {y}"
        for x, y in zip(LANDS, [*LANDS[1:], LANDS[0]], strict=True)
    ]
    train = prompts([(frame.format(one), "By boat.") for one in asked])
    tests = prompts([(asked[3], "?"), (frame.format(asked[5]), "?"), (asked[7] + " now", "?")])
    found = check_prompts(train, tests)
    assert np.flatnonzero(found.test_prompt != "").tolist() == [3, 5]
    assert found.leak[5] == 1
    assert 0.5 < found.leak[3] < 1
    turned = check_prompts(tests, train)
    assert (turned.test_prompt != "").tolist() == [True, True, False]


def test_many_answers_to_one_prompt_are_no_contradiction():
    poem = "Write a poem about the sea."
    rows = [(poem, f"{word} " * 40) for word in LANDS[:2]]
    assert (check_prompts(prompts(rows)).contradicts == "").all()  # long ones: a matter of taste
    open_ended = check_prompts(prompts([("Name a land.", land) for land in LANDS[:4]]))
    assert (open_ended.contradiction == 0).all()
    either = check_prompts(prompts([("Name the land.", land) for land in LANDS[:2]]))
    assert either.contradiction.tolist() == [0.5, 0.5]
    agreed = check_prompts(prompts([("What is 2 + 3?", "5"), ("What is 2 + 3?", "It is 5.")]))
    assert (agreed.contradicts == "").all()
    yes = check_prompts(
        prompts([("Is it warm?", "Yes, it is."), ("Is it warm?", "No, it is not.")])
    )
    assert (yes.contradicts != "").all()


def test_the_time_grows_with_the_number():
    rows = [
        (TEMPLATES["system"].format(f"How far is town {n} from the sea?"), f"{n} kilometres.")
        for n in range(1000)
    ]
    begun = time.process_time()
    found = check_prompts(prompts(rows), prompts(rows[:10]))
    assert time.process_time() - begun < 3
    assert (found.leak > 0).sum() == 10
    assert (found.duplicate_of == "").all()


@pytest.mark.parametrize("count", [1, 2])
def test_few_rows(count):
    found = check_prompts(prompts(ROWS[3 : 3 + count]))
    assert len(found) == count
    assert (found.mismatch == 0).all()
    assert (found.test_prompt == "").all()
