import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.store.content import Source
from chaffinch.store.ledger import Ledger
from chaffinch.store.version import (
    Snapshot,
    difference,
    files_at,
    find,
    record,
    restore_version,
    rows_at,
    with_reasons,
)

COLUMNS = ["id", "digest", "label", "weight", "soft_label"]
ROW = st.tuples(
    st.sampled_from("dD"),
    st.sampled_from(["cat", "dog"]),
    st.sampled_from([1.0, 0.5]),
    st.sampled_from(["", '{"cat": 0.5, "dog": 0.5}']),
)
ROWS = st.dictionaries(st.sampled_from("abcdefgh"), ROW)


def frame(rows):
    return pd.DataFrame([(name, *row) for name, row in rows.items()], columns=COLUMNS)


def slow_difference(before, after):
    found = []
    for name, (_, label, weight, _) in before.items():
        if name not in after:
            found.append((name, "removed", label, None, weight, None))
    for name, new in after.items():
        old = before.get(name)
        if old is None:
            found.append((name, "added", None, new[1], None, new[2]))
            continue
        words = ("changed", "relabelled", "reweighted", "softened")
        order = {"changed": 0, "relabelled": 1, "softened": 2, "reweighted": 3}
        told = [w for w, a, b in zip(words, old, new, strict=True) if a != b]
        if told:
            found.append((name, min(told, key=order.get), old[1], new[1], old[2], new[2]))
    return found


@given(before=ROWS, after=ROWS)
def test_differences_are_those_of_the_slow_twin(before, after):
    found = difference(frame(before), frame(after))
    rows = [
        tuple(None if pd.isna(cell) else cell for cell in row)
        for row in found.itertuples(index=False, name=None)
    ]
    assert rows == slow_difference(before, after)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.db")


def snapshot(rows, content=b"bytes", **facts):
    sources = [Source("data.csv", lambda: io.BytesIO(content))]
    return Snapshot(frame(rows), sources, False, {"source": "data.csv", **facts})


A = {"a": ("d", "cat", 1.0, ""), "b": ("d", "dog", 1.0, "")}
B = {"b": ("d", "dog", 1.0, ""), "a": ("d", "cat", 1.0, "")}


def test_a_version_is_written_once_and_named_by_rows_order_and_files(ledger):
    first = record(ledger, snapshot(A), whole=False)
    assert record(ledger, snapshot(A), whole=False) == first
    assert ledger.check().entries == 1
    assert record(ledger, snapshot(A), whole=True) == first  # the same, now with its bytes
    assert ledger.check().entries == 2
    others = {record(ledger, snapshot(rows), whole=False) for rows in (B, {**A, "b": A["a"]})}
    others.add(record(ledger, snapshot(A, b"other bytes"), whole=False))
    assert len(others | {first}) == 4
    pd.testing.assert_frame_equal(rows_at(ledger, first), frame(A), check_dtype=False)


def test_versions_are_restored_by_the_beginning_of_their_ids(ledger, tmp_path):
    name = record(ledger, snapshot(A, b"a,b\r\n1,2"), whole=True)
    place = restore_version(ledger, name[:6], tmp_path / "back.csv")
    assert place.read_bytes() == b"a,b\r\n1,2"
    for wrong in (name[:5], "", "zzzzzzzz"):
        with pytest.raises(InputError, match="id of one version"):
            find(ledger, wrong)


def test_a_version_without_bytes_says_how_to_keep_them(ledger, tmp_path):
    name = record(ledger, snapshot(A), whole=False)
    with pytest.raises(InputError, match="chaffinch ledger keep"):
        files_at(ledger, name)


def test_reasons_come_from_the_plan(ledger):
    edit = {"plan": "p", "sample": "a", "action": "relabel", "kind": "hard", "reason": "so"}
    ledger.append("plan", {"plan": [{"id": "p"}], "edit": [edit]})
    changes = difference(frame(A), frame({**A, "a": ("d", "dog", 1.0, ""), "b": A["a"]}))
    told = with_reasons(ledger, changes, "p")
    assert told["reason"].dropna().tolist() == ["so"]
    assert told["action"].dropna().tolist() == ["relabel"]
    assert with_reasons(ledger, changes, None)["reason"].isna().all()
