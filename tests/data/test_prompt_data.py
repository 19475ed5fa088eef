import pandas as pd
import pytest

from chaffinch.core.errors import InputError
from chaffinch.data.prompt import open_prompts

ROWS = pd.DataFrame(
    {"Instruction": ["add", "name"], "output": ["2", ""], "kind": ["sum", "word"], "key": [7, 8]}
)


@pytest.mark.parametrize("blank", ["", None], ids=["empty", "missing"])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "frame"])
def test_the_same_from_any_file(tmp_path, kind, blank):
    path = tmp_path / f"rows.{kind}"
    rows = ROWS.assign(output=["2", blank])
    if kind == "csv":
        rows.to_csv(path, index=False)
    elif kind == "jsonl":
        rows.to_json(path, orient="records", lines=True)
    elif kind == "parquet":
        rows.to_parquet(path)
    found = open_prompts(rows if kind == "frame" else str(path))
    assert found.prompts == ("add", "name")
    assert found.responses == ("2", "")
    assert found.frame["kind"].tolist() == ["sum", "word"]
    assert found.fingerprint == open_prompts(ROWS).fingerprint
    assert len(set(found.ids)) == 2


def test_columns_ids_and_copies():
    named = open_prompts(ROWS, prompt="kind", response="output", id_column="key")
    assert named.prompts == ("sum", "word")
    assert named.ids.tolist() == ["7", "8"]
    twice = open_prompts(pd.concat([ROWS, ROWS]))
    assert twice.ids[2] == f"{twice.ids[0]}-2"
    assert open_prompts(ROWS[::-1]).fingerprint != open_prompts(ROWS).fingerprint


def test_what_is_refused(tmp_path):
    with pytest.raises(InputError, match="a path or a DataFrame"):
        open_prompts(3)
    with pytest.raises(InputError, match="at least one row"):
        open_prompts(ROWS[:0])
    with pytest.raises(InputError, match="one prompt column"):
        open_prompts(ROWS.assign(question="?"))
    with pytest.raises(InputError, match="one response column"):
        open_prompts(ROWS.drop(columns="output"))
    lacking = open_prompts(ROWS.assign(Instruction=["add", None]))
    assert lacking.prompts == ("add", "")
    assert {name: fault.kind for name, fault in lacking.faults.items()} == {lacking.ids[1]: "empty"}
    with pytest.raises(InputError, match="Did you mean 'kind'"):
        open_prompts(ROWS, prompt="kinds")
