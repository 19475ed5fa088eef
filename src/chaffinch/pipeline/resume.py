"""One run folder, one piece of work: claiming it, going on with it, publishing it whole."""

import errno
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaffinch.core.errors import InputError, RunError
from chaffinch.core.parsing import parse_json
from chaffinch.pipeline.work import STATE
from chaffinch.store import EvidenceFolder
from chaffinch.store.belongings import PLAN, list_files, need_own_run
from chaffinch.store.draft import put
from chaffinch.store.mark import need_local
from chaffinch.store.run import EVIDENCE, RECORD, partial_folder, write_text

_LOG = logging.getLogger("chaffinch")


@dataclass(frozen=True)
class Plan:
    """What a run is about; two runs with equal plans yield equal findings.

    Attributes:
        fingerprint: Of the data (and validation data).
        configuration: All that decides the outcome.
    """

    fingerprint: str
    configuration: dict[str, Any]

    def as_text(self) -> str:
        """The plan as JSON."""
        content = {"fingerprint": self.fingerprint, "configuration": self.configuration}
        return json.dumps(content, indent=1, sort_keys=True, default=str)


def claim(out: Path, plan: Plan, overwrite: bool) -> Path:
    """Make or find the folder in which the run is put together.

    Args:
        out: Where the finished run will be.
        plan: What is to be done.
        overwrite: Whether a run that exists may be replaced.

    Returns:
        The unfinished folder beside ``out``; it holds what an interrupted scan of the same plan
        had done.

    Raises:
        RunError: ``out`` or its unfinished folder holds other work, or files of others.
        InputError: The folder cannot be made.
    """
    _check_out(out, plan, overwrite)
    partial = partial_folder(out)
    if os.path.lexists(partial) and not _same(partial, plan):
        need_own_run(partial, "an interrupted scan")
        if _text(partial / PLAN) is None and not _empty(partial):
            _LOG.warning("%s is damaged: what was done there is discarded", partial)
        elif not overwrite and not _empty(partial):
            raise RunError(
                f"an interrupted scan of the same data and options in {partial}",
                "one of another data set or with other options",
                "Choose another --out, or start afresh with --overwrite",
            )
        shutil.rmtree(partial)
    try:
        partial.mkdir(parents=True, exist_ok=True)
        write_text(partial / PLAN, plan.as_text())
    except OSError as error:
        raise InputError(
            f"a place to write to at {partial}", error.strerror or str(error), "Check --out"
        ) from error
    return partial


def _check_out(out: Path, plan: Plan, overwrite: bool) -> None:
    need_local(out)
    if not os.path.lexists(out) or (not overwrite and _same(out, plan)):
        return
    if not overwrite:
        raise RunError(
            f"a free place, or a run of the same data and options, at {out}",
            "a run of another data set or with other options"
            if (out / RECORD).is_file()
            else "something that is not a run",
            "Choose another --out, or replace it with --overwrite",
        )
    need_own_run(out, "a run to overwrite")


def finished(out: Path, plan: Plan) -> bool:
    """Whether the very same run is there already, whole."""
    return (out / RECORD).is_file() and _same(out, plan)


def publish(partial: Path, out: Path) -> None:
    """Put the finished folder in its place; readers see the old run or the new one, whole."""
    list_files(partial)
    put(partial, out, overwrite=os.path.lexists(out))


def _same(folder: Path, plan: Plan) -> bool:
    return _text(folder / PLAN) == plan.as_text()


def _text(file: Path) -> str | None:
    """The plan in a file; None where there is none that can be read."""
    try:
        text = file.read_text("utf-8")
        return text if {"fingerprint", "configuration"} <= set(parse_json(text)) else None
    except (OSError, ValueError, TypeError):
        return None


def _empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Say what to do when the disk fills up; what was done so far stays."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"free disk space for {folder}",
            "a full disk",
            "Free some space and start again: what was done is kept and the scan goes on",
        ) from error


@contextmanager
def nothing_left(partial: Path) -> Iterator[None]:
    """Bad input leaves no folder behind, unless there is finished training in it."""
    try:
        yield
    except InputError:
        if not (partial / STATE).exists() and not EvidenceFolder(partial / EVIDENCE).whole:
            shutil.rmtree(partial, ignore_errors=True)
        raise
