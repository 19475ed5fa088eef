"""Writing changed tags back in the form in which they came."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from chaffinch.core.errors import InputError
from chaffinch.data.file import DELIMITED, read_table, suffix_of
from chaffinch.data.written import decode
from chaffinch.repair.csv_rows import CsvRows
from chaffinch.store.draft import delivered, free
from chaffinch.tasks.multilabel.reading import NO, YES, TagFormat, find_format, is_missing
from chaffinch.tasks.multilabel.texts import NO_TAG, UNSURE, find_separator, split_text

Cells = dict[str, Any]
"""New cells of a row by column."""

_COUNTERPARTS = {
    "1": "0",
    "1.0": "0.0",
    "true": "false",
    "True": "False",
    "TRUE": "FALSE",
    "yes": "no",
    "Yes": "No",
    "YES": "NO",
}


@dataclass(frozen=True, eq=False)
class TagWriter:
    """How tags of some rows are to be written in a table.

    Attributes:
        form: How the tags of the table are written.
        frame: The table as it was read.
        wanted: The tags that rows are to have, by position.
        order: The same in the order in which they are written.
    """

    form: TagFormat
    frame: pd.DataFrame
    wanted: Mapping[int, frozenset[str]]
    order: Mapping[int, Sequence[str]]

    @classmethod
    def of(cls, frame: pd.DataFrame, texts: Mapping[int, str], label: str | None) -> "TagWriter":
        """Look the form up.

        Args:
            frame: The table.
            texts: The tags that rows are to have, as ``suggested_label`` has them, by position.
            label: As for `chaffinch.tasks.multilabel.reading.find_format`.

        Raises:
            InputError: A table without tags, or positions that it has not.
        """
        form = find_format(frame, label)
        if form is None and label is not None:
            form = TagFormat("joined", (label,))
        if form is None:
            raise InputError(
                "a table with tags", "none", "Name their column or columns with label="
            )
        beyond = [row for row in texts if not 0 <= row < len(frame)]
        if beyond:
            raise InputError(
                f"positions in 0..{len(frame) - 1}", f"{beyond[0]}", "Give those of this table"
            )
        separator = form.separator or find_separator(texts.values(), least_uses=0)
        order = {row: split_text(text, separator) for row, text in texts.items()}
        wanted = {row: frozenset(names) for row, names in order.items()}
        return cls(form, frame, wanted, order)

    def cells(self, row: int) -> Cells:
        """The cells of a row that change."""
        name = self.form.columns[0]
        if self.form.form == "columns":
            return self._indicators(row)
        if self.form.form == "joined":
            return {name: self.form.separator.join(self.order[row]) or NO_TAG}
        before = self.frame[name].iloc[row]
        told: list[Any] = list(self.order[row])
        if self.form.classes:
            told = [self.form.classes.index(one) for one in told]
        return {name: json.dumps(told, ensure_ascii=False) if isinstance(before, str) else told}

    def _indicators(self, row: int) -> Cells:
        found: Cells = {}
        for name in self.form.columns:
            if UNSURE + name in self.wanted[row]:
                continue
            has = name in self.wanted[row]
            cell = self.frame[name].iloc[row]
            known = None if is_missing(cell) else str(cell).strip().lower() in YES
            if known is not has:
                found[name] = self._word(name, has)
        return found

    def _word(self, name: str, has: bool) -> Any:
        """How the column says yes or no: as another row does, else as the counterpart of that."""
        words = YES if has else NO
        known = [cell for cell in self.frame[name].tolist() if not is_missing(cell)]
        for cell in known:
            if str(cell).strip().lower() in words:
                return cell
        there = known[0] if known else 0
        if not isinstance(there, str):
            return type(there)(has)
        pairs = {**_COUNTERPARTS, **{no: yes for yes, no in _COUNTERPARTS.items()}}
        return pairs.get(there.strip(), str(int(has)))


def write_tags(
    data: Any,
    texts: Mapping[int, str],
    *,
    label: str | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> Any:
    """Give some rows of a table other tags; all else stays as it is.

    Rows of text files that do not change keep every byte. Columns of 0 and 1, lists and joined
    texts stay what they are; a joined text without a tag becomes ``(none)``.

    Args:
        data: A DataFrame, or the path of a .csv, .tsv, .jsonl or .parquet file.
        texts: The tags that rows are to have, as ``suggested_label`` of findings has them, by the
            position of the row.
        label: Column or columns of the tags, as the scan was given.
        out: Where a file is written, in its own format; None for a DataFrame.
        overwrite: Whether ``out`` may be replaced, if Chaffinch wrote it.

    Returns:
        ``out``, or a DataFrame.

    Raises:
        InputError: A table without tags, another format, or something else at ``out``.
    """
    if isinstance(data, pd.DataFrame):
        return _changed(data, TagWriter.of(data, texts, label))
    path = str(Path(data).expanduser())
    writer = TagWriter.of(read_table(path), texts, label)
    if out is None:
        return _changed(writer.frame, writer)
    place = Path(out)
    if suffix_of(str(place)) != suffix_of(path) or place.resolve() == Path(path).resolve():
        raise InputError(
            f"another file of type {suffix_of(path)}", repr(place.name), "Choose another out="
        )
    free(place, overwrite=overwrite)
    delivered({place: lambda draft: _written(path, writer, draft)}, overwrite=overwrite)
    return place


def _changed(frame: pd.DataFrame, writer: TagWriter) -> pd.DataFrame:
    made = frame.copy()
    cells = {row: writer.cells(row) for row in writer.wanted}
    for name in writer.form.columns:
        column = made[name].tolist()
        for row, new in cells.items():
            column[row] = new.get(name, column[row])
        values = pd.Series(column, index=made.index, dtype=object)
        made[name] = values.astype(made[name].dtype)
    return made


def _written(path: str, writer: TagWriter, draft: Path) -> None:
    suffix = suffix_of(path)
    if suffix in DELIMITED:
        _write_text(path, draft, lambda text: _csv(text, path, writer))
    elif suffix == ".jsonl":
        _write_text(path, draft, lambda text: _json_lines(text, writer))
    elif suffix == ".parquet":
        table = parquet.read_table(path)
        changed = _changed(writer.frame, writer)
        for name in writer.form.columns:
            place = table.column_names.index(name)
            values = [None if is_missing(cell) else _plain(cell) for cell in changed[name].tolist()]
            field = table.schema.field(place)
            table = table.set_column(place, field, pa.array(values, field.type))
        parquet.write_table(table, draft)
    else:
        raise InputError(
            "a .csv, .tsv, .jsonl or .parquet file", repr(path), "Take the DataFrame without out="
        )


def _write_text(path: str, draft: Path, change: Callable[[str], str]) -> None:
    content = Path(path).read_bytes()
    packed = path.lower().endswith(".gz")
    text, code, _ = decode(gzip.decompress(content) if packed else content, None, path)
    made = change(text).encode(code)
    draft.write_bytes(gzip.compress(made, mtime=0) if packed else made)


def _csv(text: str, path: str, writer: TagWriter) -> str:
    rows = CsvRows.parse(text, "," if suffix_of(path) == ".csv" else "\t")
    made = list(rows.records)
    for row in writer.wanted:
        cells = {name: _text(cell) for name, cell in writer.cells(row).items()}
        if cells:
            made[row] = rows.with_cells(row, cells)
    return rows.mark + rows.header + "".join(made)


def _json_lines(text: str, writer: TagWriter) -> str:
    lines = [line for line in text.removeprefix("\ufeff").split("\n") if line.strip()]
    for row in writer.wanted:
        cells = writer.cells(row)
        if cells:
            record = json.loads(lines[row]) | {name: _plain(cell) for name, cell in cells.items()}
            lines[row] = json.dumps(record, ensure_ascii=False)
    return "\n".join(lines) + "\n"


def _text(cell: Any) -> str:
    return str(_plain(cell))


def _plain(cell: Any) -> Any:
    return cell.tolist() if hasattr(cell, "tolist") else cell  # of NumPy
