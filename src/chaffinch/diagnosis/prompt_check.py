"""What is wrong with prompts and responses on their face, without a model."""

from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.types import Codes, Mask, Strings
from chaffinch.data.prompt import Prompts
from chaffinch.diagnosis.preference import REVERSED, check_preferences
from chaffinch.diagnosis.prompt_faults import CHANCES, TRUNCATED, TextFaults, text_faults
from chaffinch.diagnosis.prompt_pairs import Compared, Distinct, compare
from chaffinch.diagnosis.texts.near import NEAR
from chaffinch.diagnosis.texts.swapped import Borrowed, borrowed


def check_prompts(train: Prompts, test: Prompts | None = None, near: float = NEAR) -> pd.DataFrame:
    """Look at the texts alone; no model is run.

    What many samples share (a template, a system prompt, a fixed ending) is set aside before
    anything is compared, and words count the more the fewer prompts have them. Two texts whose
    numbers, signs, negations or names differ are never nearly the same. The time grows with the
    number of samples, not with its square.

    Of preference pairs, ``contradicts`` names a pair that says the opposite, and two responses that
    are the same, or an empty one that was liked less, are faults.

    Args:
        train: N training prompts and responses.
        test: M prompts that training must not have seen, or None.
        near: Share of the weight of their words from which two texts count as nearly the same.

    Returns:
        A table of N rows: ``id``; ``empty_response``; ``duplicate_of``, the id of an earlier
        sample with nearly the same prompt and response; ``contradicts``, the id of a sample with
        nearly the same prompt and a response that says otherwise, and ``contradiction``, the
        chance in 0..1 that this is the wrong one; ``mismatch`` in 0..1, higher = the response
        has more words in common with another prompt and fewer with its own; ``swapped_with``, the
        id of a sample whose prompt the response seems to belong to, and ``swapped``, the chance of
        that; ``test_prompt``, the id of a test prompt that is nearly the same, and ``leak``, 1 for
        the same prompt and less for nearly the same; ``fault``, the names of further faults with
        commas between, ``fault_evidence``, a phrase for each, and ``fault_chance``, the chance
        that they do harm. Ids and names are "" for none. Its ``attrs["habits"]`` are sentences on
        what is common in the file and therefore no fault of a sample.
    """
    blank: Mask = np.asarray([not text.strip() for text in train.responses], dtype=np.bool_)
    prompts = Distinct(train.prompts, () if test is None else test.prompts)
    responses = Distinct(train.responses)
    if train.rejected is None:
        pairs = compare(prompts, responses, blank, near)
    else:  # several pairs may well have one prompt and the same preferred response
        both = zip(train.responses, train.rejected, strict=True)
        whole = Distinct(["\n\n".join(one) for one in both])
        pairs = compare(prompts, whole, blank, near)
    taken = borrowed(prompts.near, prompts.codes, responses.near, responses.codes, blank)
    faults = text_faults(
        (train.prompts, train.responses),
        prompts.of_rows(prompts.near.contents()),
        blank,
    )
    table = pd.DataFrame(
        {
            "id": train.ids,
            "empty_response": blank,
            **_pair_columns(pairs, train.ids, None if test is None else test.ids),
            **_swap_columns(taken, prompts, train.ids),
            **_fault_columns(faults, len(train)),
        }
    )
    table.attrs["habits"] = list(faults.habits)
    if train.rejected is not None:
        _add_preferences(table, train, prompts)
    return table


def _add_preferences(table: pd.DataFrame, train: Prompts, prompts: Distinct) -> None:
    """Put what preference pairs show in place of what single responses do."""
    found = check_preferences(prompts.codes, train.responses, train.rejected or ())
    table["contradicts"] = _named(found.reversed_in, train.ids)
    table["contradiction"] = np.where(found.reversed_in >= 0, REVERSED, 0.0)
    signs = {
        "identical_pair": (found.identical > 0, "is the same as the one liked less", 1.0),
        "rejected_empty": (found.lacking, "stands beside an empty one", CHANCES[TRUNCATED]),
    }
    for name, (rows, evidence, chance) in signs.items():
        for column, told, sign in (("fault", name, ", "), ("fault_evidence", evidence, "; ")):
            joined = [sign.join(filter(None, (told, one))) for one in table[column]]
            table[column] = np.where(rows, joined, table[column])
        table["fault_chance"] = np.where(rows, chance, table["fault_chance"])
    table.attrs["habits"] += found.notes


def _pair_columns(pairs: Compared, ids: Strings, test_ids: Strings | None) -> dict[str, Any]:
    return {
        "duplicate_of": _named(pairs.duplicate_of, ids),
        "contradicts": _named(pairs.contradicts, ids),
        "contradiction": pairs.contradiction,
        "test_prompt": _named(pairs.leaked, ids[:0] if test_ids is None else test_ids),
        "leak": pairs.leak,
    }


def _swap_columns(taken: Borrowed, prompts: Distinct, ids: Strings) -> dict[str, Any]:
    first = np.full(len(prompts.near.words), -1)
    rows = np.arange(len(ids))
    first[prompts.codes[::-1]] = rows[::-1]
    swapped = np.where(taken.chance > 0, first[taken.partner], -1)
    return {
        "mismatch": taken.mismatch,
        "swapped_with": _named(swapped, ids),
        "swapped": taken.chance,
    }


def _fault_columns(faults: TextFaults, count: int) -> dict[str, Any]:
    told = [faults.of(row) for row in range(count)]
    return {
        "fault": [", ".join(name for name, _ in those) for those in told],
        "fault_evidence": ["; ".join(evidence for _, evidence in those) for those in told],
        "fault_chance": faults.chances,
    }


def _named(rows: Codes, ids: Strings) -> list[str]:
    return [str(ids[row]) if row >= 0 else "" for row in rows.tolist()]
