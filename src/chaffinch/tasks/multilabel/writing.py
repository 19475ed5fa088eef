"""Writing changed tags back in the form in which they came."""

import gzip
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from chaffinch.core.errors import InputError
from chaffinch.data.column import WEIGHT
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
        leave_out: Positions of rows that are not written.
        weights: What rows count from now on, by position; 1 for all others.
    """

    form: TagFormat
    frame: pd.DataFrame
    wanted: Mapping[int, frozenset[str]]
    order: Mapping[int, Sequence[str]]
    leave_out: Collection[int] = ()
    weights: Mapping[int, float] = field(default_factory=dict)

    @property
    def kept(self) -> list[int]:
        """Positions of the rows that are written."""
        gone = set(self.leave_out)
        return [row for row in range(len(self.frame)) if row not in gone]

    def weight(self, row: int) -> float:
        """What a row counts."""
        return float(self.weights.get(row, 1.0))

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
    leave_out: Collection[int] = (),
    weights: Mapping[int, float] | None = None,
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
        leave_out: Positions of rows to leave out.
        weights: What some rows count, by position: all get a column of weights then.
        out: Where a file is written, in its own format; None for a DataFrame.
        overwrite: Whether ``out`` may be replaced, if Chaffinch wrote it.

    Returns:
        ``out``, or a DataFrame.

    Raises:
        InputError: A table without tags, another format, or something else at ``out``.
    """
    rest: Any = {"leave_out": tuple(leave_out), "weights": dict(weights or {})}
    if isinstance(data, pd.DataFrame):
        return _changed(data, replace(TagWriter.of(data, texts, label), **rest))
    path = str(Path(data).expanduser())
    writer = replace(TagWriter.of(read_table(path), texts, label), **rest)
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
    if writer.weights:
        made[WEIGHT] = [writer.weight(row) for row in range(len(made))]
    return made.iloc[writer.kept]


def _written(path: str, writer: TagWriter, draft: Path) -> None:
    suffix = suffix_of(path)
    if suffix in DELIMITED:
        _write_text(path, draft, lambda text: _csv(text, path, writer))
    elif suffix == ".jsonl":
        _write_text(path, draft, lambda text: _json_lines(text, writer))
    elif suffix == ".parquet":
        table = parquet.read_table(path)
        changed = _changed(writer.frame, replace(writer, leave_out=()))
        for name in writer.form.columns:
            place = table.column_names.index(name)
            values = [None if is_missing(cell) else _plain(cell) for cell in changed[name].tolist()]
            field = table.schema.field(place)
            table = table.set_column(place, field, pa.array(values, field.type))
        if writer.weights:
            weights = [writer.weight(row) for row in range(len(table))]
            table = table.append_column(WEIGHT, pa.array(weights))
        parquet.write_table(table.take(pa.array(writer.kept, pa.int64())), draft)
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
    header = rows.header
    if writer.weights:
        header = rows.longer(header, [WEIGHT])
        made = [rows.longer(one, [repr(writer.weight(row))]) for row, one in enumerate(made)]
    kept = [made[row] for row in writer.kept]
    # The last line of a file may lack its end, and now stand before others.
    ended = [one if one.endswith(("\n", "\r")) else one + rows.line_end for one in kept]
    return rows.mark + header + "".join(kept if kept == made else ended)


def _json_lines(text: str, writer: TagWriter) -> str:
    lines = [line for line in text.removeprefix("\ufeff").split("\n") if line.strip()]
    for row in writer.wanted:
        cells = writer.cells(row)
        if cells:
            record = json.loads(lines[row]) | {name: _plain(cell) for name, cell in cells.items()}
            lines[row] = json.dumps(record, ensure_ascii=False)
    if writer.weights:
        told = [json.loads(one) | {WEIGHT: writer.weight(row)} for row, one in enumerate(lines)]
        lines = [json.dumps(one, ensure_ascii=False) for one in told]
    return "\n".join(lines[row] for row in writer.kept) + "\n"


def _text(cell: Any) -> str:
    return str(_plain(cell))


def _plain(cell: Any) -> Any:
    return cell.tolist() if hasattr(cell, "tolist") else cell  # of NumPy
