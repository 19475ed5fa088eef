"""A data sheet as a Markdown page.

The questions follow Gebru et al., Datasheets for Datasets (CACM 2021), as far as a program can
answer them or a person did.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from chaffinch.core.plain_text import clean
from chaffinch.pipeline.datasheet.croissant import croissant
from chaffinch.pipeline.datasheet.sheet import Sheet
from chaffinch.store.draft import delivered, free
from chaffinch.store.mark import need_local

_MEANING = re.compile(r"([\\`*_\[\]<>|~&$!]|^#)")
_NOT_STATED = "*Not stated.*"
_MOST_CLASSES = 30


def page(sheet: Sheet) -> str:
    """The sheet as Markdown.

    What people stated in paragraphs of their own is Markdown; whatever comes from the data, the
    model or the ledger is text, and cannot become a link, an image, a heading or HTML.
    """
    parts = [
        f"# Data sheet: {_plain(sheet.name)}",
        sheet.about.description or _NOT_STATED,
        "## Overview",
        *_overview(sheet),
        "## Provenance",
        *_provenance(sheet),
        "## Labelling standard",
        sheet.about.labelling or _NOT_STATED,
        "## Validation",
        *_validation(sheet),
        "## Known faults",
        *_faults(sheet),
        "## Use and upkeep",
        *_upkeep(sheet),
    ]
    return "\n\n".join(parts) + "\n"


def write_sheet(sheet: Sheet, out: str | Path, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Write a sheet as a page (``out.md``) and as Croissant (``out.json``).

    Raises:
        InputError: One of the files exists and is not to be replaced, or cannot be written.
    """
    need_local(out)
    stem = Path(out).expanduser()
    places = stem.with_name(f"{stem.name}.md"), stem.with_name(f"{stem.name}.json")
    for place in places:
        free(place, overwrite)
    described = json.dumps(croissant(sheet), indent=1, ensure_ascii=False) + "\n"
    texts = zip(places, (page(sheet), described), strict=True)
    files = {p: partial(Path.write_text, data=text, encoding="utf-8") for p, text in texts}
    delivered(files, overwrite=overwrite)
    return places


def _overview(sheet: Sheet) -> Iterator[str]:
    facts = [
        ("Samples", f"{sheet.samples:,}"),
        ("What a sample is", sheet.modality),
        ("Fingerprint", sheet.fingerprint),
        ("Version", sheet.about.version or "not stated"),
        ("Licence", sheet.about.license or "not stated"),
        ("Creator", sheet.about.creator or "not stated"),
        ("Published", sheet.about.published or "not stated"),
    ]
    yield _table(("", ""), facts)
    classes = list(sheet.classes.items())
    shown = [(name, f"{count:,}") for name, count in classes[:_MOST_CLASSES]]
    yield _table(("class", "samples"), shown)
    if len(classes) > _MOST_CLASSES:
        yield f"... and {len(classes) - _MOST_CLASSES} further classes."


def _provenance(sheet: Sheet) -> Iterator[str]:
    yield sheet.about.collection or f"How the samples were collected: {_NOT_STATED}"
    if sheet.about.preprocessing:
        yield sheet.about.preprocessing
    if sheet.location:
        yield f"Read from {_code(sheet.location)}."
    if sheet.files is not None and sheet.files.parts:
        parts = sheet.files.parts
        size = sum(part.size for part in parts)
        plural = "" if len(parts) == 1 else "s"
        told = f"{len(parts):,} file{plural}, {size:,} bytes"
        yield f"{told}, SHA-256 of the list `{sheet.files.digest}`."
    if len(sheet.history):
        rows = sheet.history[["at", "who", "what", "id", "detail"]].astype(str)
        yield _table(("when (UTC)", "who", "what", "id", ""), rows.itertuples(index=False))
    else:
        yield "No ledger records what happened to them."


def _validation(sheet: Sheet) -> Iterator[str]:
    if sheet.run is None:
        yield "Not examined."
        return
    model = sheet.run.model
    version = f"Chaffinch {sheet.run.chaffinch} ({model.name})"
    told = f"Examined on {_plain(sheet.run.created)} with {_plain(version)}."
    if model.held_out_accuracy:
        told += (
            f" Models that never saw a sample repeat its given label in "
            f"{model.held_out_accuracy[-1]:.1%} of the cases."
        )
    if model.validation_accuracy is not None:
        told += f" Accuracy on {sheet.run.data.validation_samples:,} validation samples: "
        told += f"{model.validation_accuracy:.1%}."
    yield told
    if sheet.review:
        yield _table(("review", ""), _counted(sheet.review))
    else:
        yield "Nobody has reviewed the findings yet."
    if sheet.verifications:
        rows = [
            (str(one["at"]), str(one["plan"] or ""), str(one["verdict"]), _interval(one))
            for one in sheet.verifications
        ]
        yield _table(("verified (UTC)", "plan", "verdict", "difference"), rows)


def _faults(sheet: Sheet) -> Iterator[str]:
    faults = sheet.faults
    if not faults:
        yield "Not examined: what is not known here is not known to be right."
        return
    yield (f"{faults['said']}; {faults['flagged']:,} samples are flagged.")
    if faults["kinds"]:
        yield _table(("kind", "samples"), _counted(faults["kinds"]))
    if faults["pairs"]:
        rows = [(given, right, f"{count:,}") for count, given, right in faults["pairs"]]
        yield _table(("given label", "likely right label", "flagged samples"), rows)
    if sheet.run is not None and sheet.run.judgement.notes:
        yield "\n".join(f"- {_plain(note)}" for note in sheet.run.judgement.notes)
    for stated in (sheet.about.biases, sheet.about.limitations):
        if stated:
            yield stated


def _counted(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), f"{count:,}") for name, count in counts.items()]


def _upkeep(sheet: Sheet) -> Iterator[str]:
    about = sheet.about
    facts = [
        ("Uses", about.uses or "not stated"),
        ("Maintenance", about.maintenance or "not stated"),
        ("Where", about.url or "not stated"),
        ("Citation", about.citation or "not stated"),
    ]
    yield _table(("", ""), facts)


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(heading)
    lines = [_row(titles), "|" + "---|" * len(titles), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    """Text in one line of Markdown, none of whose characters means more than itself."""
    return _MEANING.sub(r"\\\1", " ".join(clean(text).split()))


def _code(text: str) -> str:
    """Text as a span of code, in more backticks than it has in a row."""
    flat = " ".join(clean(text).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", flat)), default=0))
    space = " " if fence != "`" else ""
    return f"{fence}{space}{flat}{space}{fence}"


def _interval(told: Mapping[str, Any]) -> str:
    if pd.isna(told["difference"]):
        return ""
    return f"{told['difference']:+.3g} ({told['lowest']:.3g} to {told['highest']:.3g})"
