"""Which version of the data a word means."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from chaffinch.core.errors import InputError
from chaffinch.core.place import check_version
from chaffinch.data import open_data
from chaffinch.pipeline.ledger import run_id
from chaffinch.pipeline.snapshot import files_of, location_of
from chaffinch.store.ledger import Ledger
from chaffinch.store.nearby import is_run
from chaffinch.store.version import find, rows_at


def version_at(ledger: Ledger, name: str) -> str:
    """The version that a word means: the data at a path, those of a run, or an id's beginning.

    Raises:
        InputError: No version of that name, or data that the ledger has not seen.
    """
    return versions_at(ledger, name)[-1]


def versions_at(ledger: Ledger, name: str) -> list[str]:
    """All versions that a word may mean, the latest last.

    The same files are several versions where they were opened under several keys, or where a
    repair knows of its samples what the files do not tell.

    Raises:
        InputError: As for `version_at`.
    """
    if not Path(name).expanduser().exists():
        check_version(name)
        return [str(find(ledger, name)["id"])]
    if is_run(name):
        return [_of_run(ledger, name)]
    location = location_of(name)
    versions = ledger.table("version")
    found = versions[versions["files"] == files_of(str(location)).digest]
    if not len(found) and len(versions):
        # A table that lists images is known by these too.
        found = versions[versions["files"] == _digest_with_images(str(location))]
    if not len(found):
        raise InputError(
            f"data at {name} as the ledger knows them",
            "a state of them that was never recorded",
            f"Record it with: chaffinch ledger keep {name}",
        )
    return [str(one) for one in found["id"].drop_duplicates(keep="last")]


def versions_between(ledger: Ledger, before: str, after: str) -> tuple[str, str]:
    """The versions of which somebody asks for the difference.

    Where a path means several, those two are taken of which one was made of the other by a plan;
    else those with most samples in common, by id; else the latest.

    Args:
        ledger: Where to look.
        before: As of `version_at`.
        after: As of `version_at`.

    Raises:
        InputError: As for `version_at`.
    """
    first, second = versions_at(ledger, before), versions_at(ledger, after)
    if len(first) == len(second) == 1:
        return first[0], second[0]
    ancestors = {name: _ancestors(ledger, name) for name in {*first, *second}}
    ids = {name: set(rows_at(ledger, name)["id"]) for name in {*first, *second}}
    pairs = [(old, new) for old in first for new in second]  # the latest last
    scores = [
        (old in ancestors[new] or new in ancestors[old], len(ids[old] & ids[new]))
        for old, new in pairs
    ]
    return max(zip(scores, range(len(pairs)), pairs, strict=True))[-1]


def _of_run(ledger: Ledger, run: str) -> str:
    known = ledger.table("run", id=run_id(run))
    if not len(known):
        raise InputError(
            f"a run that the ledger {ledger.database.place} knows",
            f"{run!r}, of which nothing was recorded",
            "Name another ledger with --ledger",
        )
    return str(known.iloc[-1]["version"])


def _ancestors(ledger: Ledger, name: str) -> set[str]:
    versions = ledger.table("version")
    parents = versions.dropna(subset=["parent"])
    found: set[str] = set()
    fresh: set[Any] = {name}
    while fresh:
        fresh = set(parents[parents["id"].isin(fresh)]["parent"]) - found
        found |= fresh
    return found


def _digest_with_images(location: str) -> str:
    with suppress(InputError):
        return files_of(location, open_data(location, trainable=False)).digest
    return ""
