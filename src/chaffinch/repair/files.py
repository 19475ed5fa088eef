"""Applying a plan to files: tables, .npz archives and folders of images or sounds."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import feather, parquet

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.parsing import parse_json
from chaffinch.data.array import read_npz
from chaffinch.data.column import Columns, choose_label
from chaffinch.data.file import DELIMITED, LISTED_LABEL, is_url, read_table, suffix_of
from chaffinch.data.written import decode
from chaffinch.repair.arrays import apply_mapping
from chaffinch.repair.csv_rows import CsvRows
from chaffinch.repair.effect import Effect
from chaffinch.repair.folder import apply_folder
from chaffinch.repair.frames import apply_arrow, apply_frame
from chaffinch.repair.names import extra_columns
from chaffinch.store.draft import drafting, need_own, put
from chaffinch.store.mark import mark, need_local

Opened = tuple[Dataset, Effect, Columns]
"""The data, what the plan does to them, and the columns that the user named."""


def apply_path(
    path: str, opened: Opened, out: Path | None, keep: tuple[bool, bool], seed: int
) -> Any:
    """Repair what lies at a path.

    Args:
        path: Of a table file, an .npz file, or a folder of images or sounds.
        opened: The data, the effect of the plan, and the columns that the user named.
        out: Where to write; None for a DataFrame or a mapping in memory.
        keep: Whether ``out`` may be replaced if Chaffinch wrote it, and whether files are linked.
        seed: Of changed copies.

    Returns:
        ``out``, or the repaired data in memory.

    Raises:
        InputError: ``out`` exists and is not to be replaced or not written by Chaffinch, is the
            source itself, or has another format.
    """
    dataset, place = opened[0], Path(path).expanduser()
    single = getattr(dataset, "files", None) is not None and not is_url(path)
    if out is None:
        if single:
            raise InputError("a folder to write the files to", "none", "Name it with --out (out=)")
        return _in_memory(path, opened, seed)
    _check_out(path, out, keep[0])
    if not single:
        _check_format(path, out)
    with drafting(out) as draft:
        if single:
            apply_folder(place, opened, draft, keep[1], seed)
        else:
            _write(path, opened, draft, seed)
        put(draft, out, overwrite=keep[0])
    mark(out)
    return out


def _in_memory(path: str, opened: Opened, seed: int) -> Any:
    dataset, effect, columns = opened
    if suffix_of(path) == ".npz":
        arrays = read_npz(Path(path).expanduser())
        return apply_mapping(arrays, effect, dataset, columns, seed)
    return apply_frame(read_table(path, columns), effect, dataset, columns, seed)


def _check_out(path: str, out: Path, overwrite: bool) -> None:
    need_local(out)
    if not is_url(path):
        source = Path(path).expanduser().resolve()
        target = out.resolve()
        # Within the data, it would change them; around them, --overwrite would delete them.
        if target == source or source in target.parents or target in source.parents:
            raise InputError("a place outside of the data", repr(str(out)), "Choose another --out")
    if not os.path.lexists(out):
        return
    if not overwrite:
        raise InputError(
            f"nothing at {out}", "something there", "Choose another --out, or --overwrite"
        )
    need_own(out)


def _check_format(path: str, out: Path) -> None:
    here, there = _format(path), _format(str(out))
    if here != there:
        raise InputError(f"a file of type {here} to write to", repr(out.name), "Keep the format")


def _format(path: str) -> str:
    return suffix_of(path) + (".gz" if path.lower().endswith(".gz") else "")


def _write(path: str, opened: Opened, draft: Path, seed: int) -> None:
    dataset, effect, columns = opened
    suffix = suffix_of(path)
    if suffix == ".npz":
        made = apply_mapping(read_npz(Path(path).expanduser()), effect, dataset, columns, seed)
        with draft.open("wb") as file:
            np.savez_compressed(file, **made)
        return
    encoding = columns.written.encoding
    if suffix in DELIMITED:
        _write_text(path, draft, encoding, lambda text: _csv(text, path, opened, seed))
    elif suffix == ".jsonl":
        _write_text(path, draft, encoding, lambda text: _json_lines(text, path, opened, seed))
    elif suffix == ".json":
        raise InputError(
            "a format that is written row by row",
            f"the .json file {path}",
            "Save it as .jsonl or .parquet and scan that, or take the DataFrame that comes back "
            "without out=",
        )
    else:
        table = _arrow(path)
        made = apply_arrow(table, effect, dataset, columns, seed)
        if suffix == ".parquet":
            parquet.write_table(made, draft)
        else:
            feather.write_feather(made, draft)


def _arrow(path: str) -> pa.Table:
    if suffix_of(path) == ".parquet" and not is_url(path):
        return parquet.read_table(path)
    return pa.Table.from_pandas(read_table(path), preserve_index=False)


def _write_text(path: str, draft: Path, encoding: str | None, change: Callable[[str], str]) -> None:
    """Change a text and write it in the encoding in which it came."""
    import fsspec

    with fsspec.open(path, "rb") as file:
        content: bytes = file.read()
    packed = path.lower().endswith(".gz")
    text, code, _ = decode(gzip.decompress(content) if packed else content, encoding, path)
    made = change(text).encode(code)
    draft.write_bytes(gzip.compress(made, mtime=0) if packed else made)


def _csv(text: str, path: str, opened: Opened, seed: int) -> str:
    dataset, effect, columns = opened
    if text.removeprefix("\ufeff").startswith(LISTED_LABEL):
        raise InputError(
            "a table with a header to write", f"the list {path}", "Save it as .csv and scan that"
        )
    usual = "," if suffix_of(path) == ".csv" else "\t"
    rows = CsvRows.parse(text, usual, columns.written.sep)
    _check_count(len(rows.records), dataset, path)
    label = choose_label(rows.names, columns.label, path)
    extra = extra_columns(effect, dataset.labels)
    made = [rows.longer(rows.header, list(extra)) if extra else rows.header]
    place, values = effect.new_in(np.arange(len(dataset)))
    sign = "," if len(place) and label in rows.columns_with(",") else "."
    new = {row: _number(value, sign) for row, value in zip(place.tolist(), values, strict=True)}
    for row in effect.rows.tolist():
        record = rows.records[row]
        source = int(effect.label_rows[row])
        if row in new:
            record = rows.with_cells(row, {label: new[row]})
        elif source != row:
            record = rows.with_cells(row, {label: rows.cell(source, label)})
        if extra:
            record = rows.longer(record, [_number(values[row]) for values in extra.values()])
        # The last line of a file may lack its end, and now stand before others.
        made.append(record if record.endswith(("\n", "\r")) else record + rows.line_end)
    if len(effect.extra_rows):
        made += _copies(rows, path, opened, seed)
    return rows.mark + "".join(made)


def _copies(rows: CsvRows, path: str, opened: Opened, seed: int) -> list[str]:
    dataset, effect, columns = opened
    frame = read_table(path, columns)
    made = apply_frame(frame, effect, dataset, columns, seed).iloc[len(effect.rows) :]
    names = [*rows.names, *extra_columns(effect, dataset.labels)]
    cells = made.reindex(columns=names).astype(object)
    commas = rows.columns_with(",")
    signs = ["," if name in commas else "." for name in names]
    return [
        rows.write(
            [
                "" if pd.isna(cell) else _number(cell, sign)
                for cell, sign in zip(record, signs, strict=True)
            ]
        )
        for record in cells.itertuples(index=False)
    ]


def _json_lines(text: str, path: str, opened: Opened, seed: int) -> str:
    dataset, effect, columns = opened
    lines = [line for line in text.removeprefix("\ufeff").split("\n") if line.strip()]
    _check_count(len(lines), dataset, path)
    names = list(dict.fromkeys(name for line in lines for name in parse_json(line)))
    label = choose_label(names, columns.label, path)
    extra = extra_columns(effect, dataset.labels)
    made = []
    place, values = effect.new_in(np.arange(len(dataset)))
    new = dict(zip(place.tolist(), pd.Series(values).tolist(), strict=True))
    for row in effect.rows.tolist():
        line, source = lines[row], int(effect.label_rows[row])
        if source != row or row in new or extra:
            record = parse_json(line)
            record[label] = new.get(row, parse_json(lines[source])[label])
            record |= {name: values[row] for name, values in extra.items()}
            line = json.dumps(record, ensure_ascii=False)
        made.append(line)
    if len(effect.extra_rows):
        frame = apply_frame(read_table(path, columns), effect, dataset, columns, seed)
        copies = frame.iloc[len(effect.rows) :].to_json(orient="records", lines=True)
        made += [line for line in copies.split("\n") if line.strip()]
    return "\n".join(made) + "\n"


def _check_count(found: int, dataset: Dataset, path: str) -> None:
    if found != len(dataset):
        raise InputError(
            f"{len(dataset)} rows in {path}, as many as were read",
            f"{found} records",
            "Save the file again with one record a sample, or load it and pass the DataFrame",
        )


def _number(value: Any, sign: str = ".") -> str:
    if isinstance(value, str):
        return value
    return repr(value.item() if hasattr(value, "item") else value).replace(".", sign)
