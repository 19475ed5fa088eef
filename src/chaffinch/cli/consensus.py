"""The command `consensus`: one label out of several annotators' answers."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from chaffinch.cli.command import OUT
from chaffinch.cli.say import say
from chaffinch.core.place import check_path

FILES = {
    "table": "consensus.csv",
    "annotators": "annotators.csv",
    "soft_labels": "soft_labels.csv",
    "next": "next.csv",
}
"""Name in the output folder of each part of the result."""


def consensus(
    answers: Annotated[str, typer.Argument(help="CSV or Parquet file of answers.")],
    sample: Annotated[str | None, typer.Option(help="Column of the sample ids.")] = None,
    annotator: Annotated[
        str | None, typer.Option(help="Column of the annotators; none: one column each.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column of the answers.")] = None,
    features: Annotated[
        str | None,
        typer.Option(help="CSV or Parquet file of numbers, sample ids in its first column."),
    ] = None,
    method: Annotated[
        str, typer.Option(help="auto, majority, dawid-skene, glad or features.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    out: Annotated[
        Path | None, typer.Option(*OUT, help="CSV file of the labels, or folder for all tables.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that Chaffinch wrote.")
    ] = False,
) -> Any:
    """Find the right labels and how good each annotator is, from several answers a sample."""
    for path in filter(None, (answers, features)):
        check_path(path)
    places = {} if out is None else _places(out, overwrite)
    from chaffinch.tasks.annotators import consensus as consensus_of
    from chaffinch.tasks.annotators.answers import read_features

    found = consensus_of(
        answers,
        sample=sample,
        annotator=annotator,
        label=label,
        features=None if features is None else read_features(features),
        method=method,
        seed=seed,
    )
    say(found.summary())
    if places:
        from chaffinch.store.draft import delivered

        writers = {
            place: partial(getattr(found, part).to_csv, index=part == "soft_labels")
            for place, part in places.items()
        }
        delivered(writers, overwrite=overwrite)
    for place in places:
        say(str(place))
    return {**found.to_dict(), "files": list(places)}


def _places(out: Path, overwrite: bool) -> dict[Path, str]:
    """Which part of the result goes into which file.

    Raises:
        InputError: A file that may not be replaced, or a place that is not on this machine.
    """
    from chaffinch.store.draft import free
    from chaffinch.store.mark import need_local

    need_local(out)
    if out.suffix == ".csv" and not out.is_dir():
        places = {out: "table"}
    else:
        places = {out / name: part for part, name in FILES.items()}
    for place in places:
        free(place, overwrite)
    return places
