"""Versions of the data: which samples, with which labels and weights, in which files."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.store.content import Contents, Source, describe, keep, restore
from chaffinch.store.ledger import Ledger

_SHORTEST_PREFIX = 6


@dataclass(frozen=True)
class Snapshot:
    """A state of the data, ready to be recorded.

    Attributes:
        rows: One row a sample in the order of the data: ``id``, ``digest`` (of the content
            without the label), ``label`` (as text, "" where there is none), ``weight`` (1 where
            none was given) and ``soft_label`` (JSON, "" where there is none).
        sources: The files that hold the data; empty where there are none.
        folder: Whether the files are a folder, or one file.
        facts: What is known besides: fingerprint, source, location, modality, parent, plan, run.
    """

    rows: pd.DataFrame
    sources: Sequence[Source]
    folder: bool
    facts: Mapping[str, str | None]


def rows_of(
    data: Dataset, weights: NDArray[Any] | None = None, soft_labels: Sequence[str] | None = None
) -> pd.DataFrame:
    """The rows of a `Snapshot`.

    Args:
        data: N samples.
        weights: (N,) weights that a repair gave them.
        soft_labels: (N,) soft labels that a repair gave them, as JSON, "" for none.
    """
    return pd.DataFrame(
        {
            "id": np.asarray(data.ids, dtype=object),
            "digest": np.asarray(list(data.digests), dtype=object),
            "label": np.asarray(data.labels.texts, dtype=object),
            "weight": np.ones(len(data)) if weights is None else np.asarray(weights, np.float64),
            "soft_label": np.asarray(soft_labels or [""] * len(data), dtype=object),
        }
    )


def version_id(rows: pd.DataFrame, files: Contents) -> str:
    """The name of a version: 32 hexadecimal digits of a hash of its rows, in order, and files."""
    hasher = hashlib.sha256(files.digest.encode())
    for row in rows.itertuples(index=False, name=None):
        hasher.update(json.dumps(row).encode())
    return hasher.hexdigest()[:32]


def record(ledger: Ledger, snapshot: Snapshot, *, whole: bool) -> str:
    """Write a version into the ledger, once.

    Args:
        ledger: Where to.
        snapshot: The state of the data.
        whole: Whether to keep the bytes of the files, so that the version can be restored.

    Returns:
        The id of the version.
    """
    sources, folder = snapshot.sources, snapshot.folder
    whole = bool(whole and sources)
    files = keep(sources, folder, ledger.artifacts) if whole else describe(sources, folder)
    versions = ledger.table("version")
    # A repair knows of weights that its files may not tell: its version is the one to take.
    known = None if whole or not sources else _alike(ledger, versions, files, snapshot.rows)
    if known is None:
        name, rows = version_id(snapshot.rows, files), _kept(snapshot.rows, ledger)
    else:
        name, rows = str(known["id"]), str(known["rows_artifact"])
    row = {
        **snapshot.facts,
        "id": name,
        "files": files.digest,
        "samples": len(snapshot.rows),
        "rows_artifact": rows,
        "files_artifact": ledger.artifacts.put(files.to_json().encode()) if whole else None,
    }
    same = versions[versions["id"] == name].to_dict("records")
    if not any(_says_all(old, row) for old in same):
        ledger.append("version", {"version": [row]})
    return name


def _alike(
    ledger: Ledger, versions: pd.DataFrame, files: Contents, rows: pd.DataFrame
) -> dict[Any, Any] | None:
    """A version of the same files that has the same samples with the same labels."""
    same = ["id", "digest", "label"]
    known = versions[versions["files"] == files.digest]
    for row in map(dict[Any, Any], reversed(known.to_dict("records"))):
        old = pd.read_parquet(io.BytesIO(ledger.artifacts.get(row["rows_artifact"])))
        if len(old) == len(rows) and np.array_equal(old[same].to_numpy(), rows[same].to_numpy()):
            return row
    return None


def _kept(rows: pd.DataFrame, ledger: Ledger) -> str:
    buffer = io.BytesIO()
    rows.to_parquet(buffer, index=False)
    return ledger.artifacts.put(buffer.getvalue())


def _says_all(old: Mapping[Any, Any], new: Mapping[str, Any]) -> bool:
    """Whether an existing row already says everything that a new one would."""
    told = {key: new.get(key) for key in ("files_artifact", "parent", "plan", "location")}
    return all(value is None or old[key] == value for key, value in told.items())


def find(ledger: Ledger, name: str) -> "pd.Series[Any]":
    """What the ledger knows of a version.

    Args:
        ledger: Where to look.
        name: Its id or the beginning of it, at least 6 digits.

    Returns:
        A row of the table ``version``; the latest that knows the files, where there is one.

    Raises:
        InputError: None or several of that name.
    """
    versions = ledger.table("version")
    found = versions[versions["id"].astype(str).str.startswith(name)]
    if len(name) < _SHORTEST_PREFIX or found["id"].nunique() != 1:
        count = found["id"].nunique()
        got = "too short" if len(name) < _SHORTEST_PREFIX else f"{count:,} that begin like this"
        raise InputError(
            f"the id of one version, or its first {_SHORTEST_PREFIX} digits or more",
            f"{name!r} ({got})",
            "'chaffinch history DATA' lists the versions",
        )
    kept = found[found["files_artifact"].notna()]
    row: pd.Series[Any] = (kept if len(kept) else found).iloc[-1]
    return row


def rows_at(ledger: Ledger, name: str) -> pd.DataFrame:
    """The rows of a version, see `Snapshot`."""
    return pd.read_parquet(io.BytesIO(ledger.artifacts.get(find(ledger, name)["rows_artifact"])))


def files_at(ledger: Ledger, name: str) -> Contents:
    """The files of a version; without chunks where their bytes were not kept."""
    row = find(ledger, name)
    if pd.isna(row["files_artifact"]):
        raise InputError(
            f"a version whose bytes were kept, as {str(row['id'])[:12]}",
            "one of which only the rows are known",
            "Keep the data while you have them: chaffinch ledger keep DATA",
        )
    return Contents.from_json(ledger.artifacts.get(row["files_artifact"]))


def restore_version(ledger: Ledger, name: str, out: str | Path) -> Path:
    """Write the files of a version to ``out``, byte by byte as they were.

    Raises:
        InputError: No such version, one whose bytes were not kept, or something is at ``out``.
        RunError: Bytes are missing or damaged.
    """
    return restore(files_at(ledger, name), ledger.artifacts, out)


def difference(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """What changed between two versions, sample by sample.

    Args:
        before: Rows of the first version.
        after: Rows of the second one.

    Returns:
        One row a sample that is not the same in both: ``id``; ``change``, one of ``removed``,
        ``added``, ``changed`` (same key, other content), ``relabelled``, ``softened`` and
        ``reweighted``; ``old_label``, ``new_label``, ``old_weight``, ``new_weight``. Removed ones
        first, in the order of ``before``; then the others in the order of ``after``. Of several
        changes of one sample, the first in this list is named.
    """
    old, new = before.set_index("id"), after.set_index("id")
    gone = old[~old.index.isin(new.index)]
    there = new.join(old.add_suffix("_old"), how="left")
    fresh = ~there.index.isin(old.index)
    choices = [
        (fresh, "added"),
        (there["digest"] != there["digest_old"], "changed"),
        (there["label"] != there["label_old"], "relabelled"),
        (there["soft_label"] != there["soft_label_old"], "softened"),
        (there["weight"] != there["weight_old"], "reweighted"),
    ]
    conditions = [np.asarray(condition, dtype=bool) for condition, _ in choices]
    changes = np.select(conditions, [word for _, word in choices], default="")
    touched = there[changes != ""]
    removed = pd.DataFrame(
        {
            "id": gone.index,
            "change": "removed",
            "old_label": gone["label"].to_numpy(),
            "new_label": None,
            "old_weight": gone["weight"].to_numpy(),
            "new_weight": np.nan,
        }
    )
    others = pd.DataFrame(
        {
            "id": touched.index,
            "change": changes[changes != ""],
            "old_label": touched["label_old"].to_numpy(),
            "new_label": touched["label"].to_numpy(),
            "old_weight": touched["weight_old"].to_numpy(),
            "new_weight": touched["weight"].to_numpy(),
        }
    )
    parts = [part.astype({"old_label": object, "new_label": object}) for part in (removed, others)]
    filled = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(filled, ignore_index=True)


def with_reasons(ledger: Ledger, changes: pd.DataFrame, plan: str | None) -> pd.DataFrame:
    """Add columns ``action``, ``kind`` and ``reason`` from the plan that made the later version.

    Args:
        ledger: Where the plan is kept.
        changes: As of `difference`.
        plan: Id of the plan; None leaves the columns empty.
    """
    edits = ledger.table("edit", plan=plan) if plan else ledger.table("edit").iloc[:0]
    edits = edits.drop_duplicates("sample", keep="last").set_index("sample")
    told = changes.copy()
    for column in ("action", "kind", "reason"):
        told[column] = [edits[column].get(one) for one in told["id"]]
    return told
