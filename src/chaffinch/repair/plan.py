"""A plan of repair: a list of edits with reasons, which a person may change."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from chaffinch.core.durable import draft_of
from chaffinch.core.durable import replace as replace_file
from chaffinch.core.edit import ACTIONS, Edit
from chaffinch.core.edit_row import COLUMNS, check_columns, edits_of, row_of, separator_of
from chaffinch.core.errors import InputError
from chaffinch.core.identity import digest
from chaffinch.core.notebook import Table, shown
from chaffinch.core.parsing import parse_json
from chaffinch.core.uneven import need_no_longer
from chaffinch.repair.application import ApplyKeywords, apply_edits

FORMAT = "chaffinch plan"
VERSION = 1


@dataclass(frozen=True)
class Plan:
    """What shall be changed, at most one edit a sample. Nothing is changed by having a plan.

    Attributes:
        edits: In the order in which they were proposed.
        fingerprint: Of the data that the plan was made for; "" where that is not known.
        policy: Name of the policy that proposed it.
        notes: Sentences that a reader should know.
        collection: Where more data are needed, region by region: a report, nothing to apply.
        open_labels: Whether a new label may be one that no sample has, as of numbers.

    Raises:
        InputError: Two edits of one sample.
    """

    edits: tuple[Edit, ...] = ()
    fingerprint: str = ""
    policy: str = ""
    notes: tuple[str, ...] = ()
    collection: tuple[dict[str, Any], ...] = ()
    open_labels: bool = False

    def __post_init__(self) -> None:
        counts = Counter(edit.id for edit in self.edits)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise InputError(
                "at most one edit a sample",
                f"{len(twice)} samples with several, such as {twice[0]!r}",
                "Keep one of them",
            )

    def __len__(self) -> int:
        return len(self.edits)

    def __repr__(self) -> str:
        counted = ", ".join(f"{count:,} {action}" for action, count in self.counts.items())
        return f"Plan({counted or 'no edits'}; policy {self.policy!r})"

    def _repr_html_(self) -> str:
        counts = [(action, f"{count:,}") for action, count in self.counts.items()]
        first = [(one.id, one.action, one.reason) for one in self.edits[:8]]
        tables: list[Table] = [
            (("action", "edits"), counts),
            (("id", "action", "reason"), first),
        ]
        return shown(repr(self), self.notes, tables if self.edits else ())

    @property
    def counts(self) -> dict[str, int]:
        """How many edits there are by action, in the order of `ACTIONS`."""
        found = Counter(edit.action for edit in self.edits)
        return {action: found[action] for action in ACTIONS if found[action]}

    @property
    def changing(self) -> tuple[Edit, ...]:
        """The edits after which the training data differ."""
        return tuple(edit for edit in self.edits if edit.changes)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that name this very plan."""
        return digest(self.to_json().encode())

    @property
    def table(self) -> pd.DataFrame:
        """The edits, one a row; `of_table` reads a changed one back."""
        rows = [row_of(edit) for edit in self.edits]
        return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)

    def of_table(self, table: pd.DataFrame) -> "Plan":
        """This plan with the edits of a table such as `table` gives; further columns are ignored.

        Raises:
            InputError: A column is missing, or an edit is impossible.
        """
        check_columns([str(name) for name in table.columns], "the table")
        return replace(self, edits=edits_of(table.to_dict("records")))

    def only(
        self,
        ids: Iterable[str] | str | None = None,
        *,
        kind: Iterable[str] | str | None = None,
        action: Iterable[str] | str | None = None,
    ) -> "Plan":
        """The plan with these edits alone: those that match all that is given.

        Args:
            ids: Of one sample or several.
            kind: One kind or several.
            action: One action or several.
        """
        wanted = {"id": ids, "kind": kind, "action": action}
        return replace(self, edits=tuple(e for e in self.edits if _matches(e, wanted)))

    def without(
        self,
        ids: Iterable[str] | str | None = None,
        *,
        kind: Iterable[str] | str | None = None,
        action: Iterable[str] | str | None = None,
    ) -> "Plan":
        """The plan without these edits: those that match all that is given.

        Args:
            ids: Of samples to leave as they are.
            kind: One kind or several.
            action: One action or several.

        Raises:
            InputError: Nothing is given.
        """
        unwanted = {"id": ids, "kind": kind, "action": action}
        if all(one is None for one in unwanted.values()):
            raise InputError("ids, kind or action", "none of them", "Say what to leave out")
        return replace(self, edits=tuple(e for e in self.edits if not _matches(e, unwanted)))

    def with_edits(self, *edits: Edit) -> "Plan":
        """The plan with further edits; one of a sample that has one already replaces it."""
        new = {edit.id: edit for edit in edits}
        kept = [new.pop(edit.id, edit) for edit in self.edits]
        return replace(self, edits=(*kept, *new.values()))

    def apply(self, data: Any, **options: Unpack[ApplyKeywords]) -> Any:
        """Give the repaired data in the form in which ``data`` came; see `repair.apply`."""
        return apply_edits(self.edits, data, open_labels=self.open_labels, **options)

    def to_json(self, path: str | Path | None = None) -> str:
        """The plan as JSON; the same plan gives the same text.

        Args:
            path: Where to write it, too.
        """
        record = {
            "format": FORMAT,
            "version": VERSION,
            **{k: v for k, v in asdict(self).items() if k not in ("edits", "open_labels")},
            **({"open_labels": True} if self.open_labels else {}),
            "edits": [edit.to_dict() for edit in self.edits],
        }
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        if path is not None:
            _write(Path(path), text)
        return text

    @classmethod
    def from_json(cls, text: str | Path) -> "Plan":
        """Read what `to_json` wrote.

        Args:
            text: The JSON, or the `Path` of a file with it.

        Raises:
            InputError: No such file, or something else than a plan.
        """
        name = "a JSON text" if isinstance(text, str) else str(text)
        content = _read(text) if isinstance(text, Path) else text
        try:
            record = parse_json(content)
            if not isinstance(record, dict) or record.get("format") != FORMAT:
                raise ValueError("it is no plan")
            if record.get("version") != VERSION:
                raise ValueError(f"version {record.get('version')!r}")
            return cls(
                tuple(Edit.from_dict(one) for one in record["edits"]),
                str(record["fingerprint"]),
                str(record["policy"]),
                tuple(map(str, record["notes"])),
                tuple(dict(one) for one in record["collection"]),
                bool(record.get("open_labels", False)),
            )
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"a plan of version {VERSION} in {name}", str(error), "Propose one anew"
            ) from error

    def to_csv(self, path: str | Path | None = None) -> str:
        """The edits as a table with the columns `COLUMNS`, for people and spreadsheets.

        Args:
            path: Where to write it, too.
        """
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for edit in self.edits:
            cells = row_of(edit)
            writer.writerow({k: "" if v is None else v for k, v in cells.items()})
        if path is not None:
            _write(Path(path), buffer.getvalue())
        return buffer.getvalue()

    @classmethod
    def from_csv(cls, path: str | Path, policy: str = "") -> "Plan":
        """Read edits from a CSV file; of a plan, it holds the edits alone.

        Raises:
            InputError: No such file, a column that is missing, or an impossible edit.
        """
        text = _read(Path(path))
        separator = separator_of(text)
        need_no_longer(text, separator, str(path))
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        check_columns([str(name) for name in rows.fieldnames or ()], str(path))
        return cls(edits_of(list(rows)), policy=policy)

    @classmethod
    def read(cls, path: str | Path) -> "Plan":
        """Read a plan from a file of JSON or CSV, as its ending says.

        Raises:
            InputError: No such file, another ending, or any reason of the two formats.
        """
        place = Path(path)
        if place.suffix.lower() == ".csv":
            return cls.from_csv(place, policy=place.stem)
        if place.suffix.lower() == ".json":
            return cls.from_json(place)
        raise InputError("a plan in a .json or .csv file", repr(str(path)), "Check its ending")


def apply(plan: Plan, data: Any, **options: Unpack[ApplyKeywords]) -> Any:
    """Give a repaired copy of the data; what came in is left as it is.

    Args:
        plan: The plan. Samples are found by id, so rows may have moved.
        data: What `open_data` takes; give ``label``, ``id_column``, ``text_column``,
            ``group``, ``series``, ``max_pixels``, ``sep``, ``decimal`` and ``encoding`` as there. A
            text file is written as it was.
        **options: ``out`` (where to write; needed for folders of images and sounds),
            ``overwrite`` (whether ``out`` may be there), ``links`` (hard links to files in place of
            copies), ``weights`` (whether items of a torch view hold their weight), ``seed`` (of
            changed copies).

    Returns:
        For ``(X, y)`` a `Clean` with X, y, weights, ids; for a mapping a mapping; for a DataFrame,
        a pyarrow Table, a Hugging Face data set or one of our own the same; for a torch Dataset
        an `Overlay`; for a path the path ``out``, or a DataFrame if there is no ``out``. Where
        weights or soft labels are in the plan, tables get the columns ``chaffinch_weight`` and
        ``chaffinch_soft_label``, which `open_data` takes for no features.

    Raises:
        InputError: Samples of the plan that are not in the data or have another label by now, an
            unknown option, or ``out`` already exists.
    """
    need_plan(plan)
    return plan.apply(data, **options)


def need_plan(plan: Any) -> None:
    """Refuse what is no plan.

    Raises:
        InputError: It is something else.
    """
    if not isinstance(plan, Plan):
        raise InputError("a plan of repair", f"a {type(plan).__name__}", "Pass what propose gave")


def _matches(edit: Edit, wanted: Mapping[str, Iterable[str] | str | None]) -> bool:
    for name, values in wanted.items():
        if values is None:
            continue
        several = {values} if isinstance(values, str) else {str(one) for one in values}
        if getattr(edit, name) not in several:
            return False
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"a plan at {path}", reason, "Check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"text in UTF-8 in {path}", f"other bytes ({error.reason})", "Save it as UTF-8"
        ) from error


def _write(path: Path, text: str) -> None:
    draft = draft_of(path)
    try:
        draft.write_text(text, "utf-8")
        replace_file(draft, path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise InputError(f"to write {path}", reason, "Choose another place") from error
