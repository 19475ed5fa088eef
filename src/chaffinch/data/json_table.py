"""Tables in JSON, as records or as columns."""

from typing import Any

import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.parsing import parse_json
from chaffinch.data.typed import column_of


def frame_of_lines(text: str, name: str) -> pd.DataFrame:
    """Read one JSON object a line.

    Raises:
        InputError: A line that is none.
    """
    records = []
    # Not splitlines(): it also breaks at signs that JSON allows inside of a string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = parse_json(line)
        except ValueError as error:
            raise InputError(
                f"one JSON object a line in {name}", f"line {number}: {error}", "Mend that line"
            ) from error
        if not isinstance(record, dict):
            raise InputError(
                f"one JSON object a line in {name}",
                f"a {type(record).__name__} in line {number}",
                'Write each row as {"column": value, ...}',
            )
        records.append(record)
    return _frame_of_records(records)


def frame_of_json(text: str, name: str) -> pd.DataFrame:
    """Read a list of records, or columns as lists or, as pandas writes them, by row.

    Raises:
        InputError: Anything else.
    """
    wanted = f'[{{"column": value, ...}}, ...] in {name}'
    try:
        found = parse_json(text)
    except ValueError as error:
        remedy = "Give one object a line the ending .jsonl, or mend the file"
        raise InputError(wanted, str(error), remedy) from error
    if isinstance(found, dict) and isinstance(found.get("data"), list):
        found = found["data"]
    if isinstance(found, dict) and found:
        columns = list(found.values())
        if all(isinstance(column, dict) for column in columns):
            found = {name: list(column.values()) for name, column in found.items()}
        lengths = {len(one) if isinstance(one, list) else -1 for one in found.values()}
        if len(lengths) == 1 and -1 not in lengths:
            return pd.DataFrame({name: column_of(column) for name, column in found.items()})
    if isinstance(found, list) and all(isinstance(record, dict) for record in found):
        return _frame_of_records(found)
    raise InputError(wanted, f"a {type(found).__name__} of other values", "Write it as records")


def _frame_of_records(records: list[dict[str, Any]]) -> pd.DataFrame:
    names = list(dict.fromkeys(name for record in records for name in record))
    return pd.DataFrame(
        {name: column_of([record.get(name) for record in records]) for name in names}
    )
