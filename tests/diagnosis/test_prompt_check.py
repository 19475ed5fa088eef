import numpy as np
import pandas as pd
import pytest

from chaffinch.data.prompt import open_prompts
from chaffinch.diagnosis import prompt_check
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
    assert found.contradicts.tolist() == [train.ids[2], train.ids[2], train.ids[0], "", "", ""]
    assert found.test_prompt.tolist() == [""] * 5 + [test.ids[0]]
    assert int(found.mismatch.to_numpy().argmax()) == 2
    assert (found.mismatch.between(0, 1)).all()


def test_blocks_change_nothing(monkeypatch):
    train = prompts([(f"What is {n % 7} plus {n % 5}?", f"It is {n}.") for n in range(40)])
    whole = check_prompts(train, train)
    monkeypatch.setattr(prompt_check, "_ROWS", 7)
    pd.testing.assert_frame_equal(check_prompts(train, train), whole)
    assert (whole.test_prompt != "").all()


@pytest.mark.parametrize("count", [1, 2])
def test_few_rows(count):
    found = check_prompts(prompts(ROWS[3 : 3 + count]))
    assert len(found) == count
    assert np.all(found.mismatch == 0) or count == 2
    assert (found.test_prompt == "").all()
