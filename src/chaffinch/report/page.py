"""The report: one HTML file that holds all it shows and calls nothing from outside."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import chaffinch.scorers  # noqa: F401  (registers the scorers, whose summaries the page shows)
from chaffinch.core.errors import RunError
from chaffinch.core.kinds import SET_ASIDE
from chaffinch.core.scorer import SCORERS
from chaffinch.report import verdict, wording
from chaffinch.report.calibration import told
from chaffinch.report.checks import read_checks
from chaffinch.report.confusion import MOST_CLASSES, confuse
from chaffinch.report.discovery import discover
from chaffinch.report.distribution import scorer_views, suspicion_histogram
from chaffinch.report.effect import effects
from chaffinch.report.explore import Sources, as_json, lay_out
from chaffinch.report.kind import by_group, several, sort_out, words_of
from chaffinch.report.learning import learn
from chaffinch.report.projection import projection_of
from chaffinch.report.provenance import trace
from chaffinch.report.sample import hang
from chaffinch.report.wording import Naming
from chaffinch.store.album import read_album
from chaffinch.store.mark import known, mark, marked
from chaffinch.store.run import FINDINGS, REPORT, RunFolder, RunRecord, write_text

_NOUNS = {
    "image": "images",
    "text": "texts",
    "table": "rows",
    "audio": "sounds",
    "series": "time series",
}
_STYLES = ("style.css", "explore.css", "figure.css")
_SCRIPTS = ("explore_data.js", "explore_map.js", "explore_list.js", "explore.js", "script.js")


def render(run: RunFolder, final: Path | None = None) -> str:
    """Build the report of a run.

    The same run gives the same text, byte for byte. Whatever comes from the data is escaped, and
    a content security policy in the page forbids scripts and requests of any other origin.

    Args:
        run: A finished run.
        final: Where the run will be, if it is yet to be moved there.

    Returns:
        A whole HTML document.

    Raises:
        RunError: The run folder is damaged.
    """
    record, findings = run.latest
    judged = findings[~findings["kind"].isin(SET_ASIDE)] if "kind" in findings else findings
    naming = Naming(record.data.classes, record.task)
    scorers = verdict.scorers(record, findings)
    album, basis = read_album(run), run.basis
    script = Markup("\n").join(map(_static, _SCRIPTS))
    explored = lay_out(
        Sources(
            findings,
            naming,
            album,
            before=run.findings if run.calibration.judgement is not None else None,
            projection=projection_of(run),
            groups=None if basis is None else basis.groups,
        )
    )
    html = (
        _environment()
        .get_template("page.html.j2")
        .render(
            record=record,
            verdict=verdict.judge(record, findings),
            facts=_facts(record),
            labelled=naming.labelled,
            naming=naming,
            demo=verdict.demo_figures(record.demo) if record.demo else [],
            learned=told(record.judgement.details.get("calibration")),
            confusion=None
            if naming.task is not None
            else confuse(
                judged,
                record.judgement.flow,
                naming,
                record.judgement.details.get("rates", ()),
            ),
            gallery=hang(run.gallery, findings, naming, run.explanations),
            kinds=sort_out(findings, record.judgement.details, words_of(naming)),
            groups=by_group(record.judgement.details),
            histogram=suspicion_histogram(judged),
            scorers=scorer_views(judged, scorers),
            summaries={name: SCORERS[name].summary for name in scorers if name in SCORERS},
            discovery=discover(judged),
            learning=learn(record.model),
            provenance=trace(record, final or run.path),
            findings_file=FINDINGS,
            most_classes=MOST_CLASSES,
            explored=explored,
            explored_json=as_json(explored),
            kind_codes={one["name"]: code for code, one in enumerate(explored["kinds"])},
            sprite=None if album.sprite is None else album.sprite.image,
            effects=effects(judged, labelled=naming.labelled),
            checked=read_checks(run.path),
            style=Markup("\n").join(map(_static, _STYLES)),
            script=script,
            script_hash=_hash(script),
        )
    )
    return html.encode("utf-8", "replace").decode("utf-8")


def write(run: RunFolder, final: Path | None = None) -> Path:
    """Render the report into the run folder.

    Args:
        run: A finished run.
        final: Where the run will be, if it is yet to be moved there.

    Returns:
        Path of the written file, ``RUN/report.html``.

    Raises:
        RunError: The run folder is damaged, or the file there is not as it was written.
    """
    path = run.path / REPORT
    if path.exists() and not _written_by_us(path):
        raise RunError(
            f"a report that Chaffinch wrote at {path}, to write it anew",
            "something that it did not write, or that was changed since",
            "Rename or move away the file",
        )
    write_text(path, render(run, final))
    mark(path)
    return path


def _written_by_us(path: Path) -> bool:
    """Of runs of older versions nothing is noted; their reports say who wrote them."""
    if known(path):
        return marked(path)
    return b"<p>Written by Chaffinch" in path.read_bytes()


def _facts(record: RunRecord) -> dict[str, str]:
    """Short descriptions of the data and the model."""
    data, model = record.data, record.model
    noun = _NOUNS.get(data.modality, "samples")
    size = [f"{wording.count(data.samples)} {noun}"]
    if len(data.classes) > 1:
        size.append(f"{len(data.classes)} classes")
    if data.validation_samples:
        role = "more for validation" if len(data.classes) > 1 else "of the test set"
        size.append(f"{wording.count(data.validation_samples)} {role}")
    learned = []
    if model.parameters:
        learned.append(f"{wording.count(model.parameters)} parameters")
    if model.epochs:
        learned.append(f"{model.epochs} epoch" + "s" * (model.epochs != 1))
    return {"data": ", ".join(size), "model": ", ".join(learned)}


def _static(name: str) -> Markup:
    """A file of this package that goes into the page as it is."""
    environment = _environment()
    if environment.loader is None:
        raise LookupError(name)
    return Markup(environment.loader.get_source(environment, name)[0])


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("chaffinch.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "about": wording.about,
        "clean": wording.clean,
        "count": wording.count,
        "percent": wording.percent,
        "score": wording.score,
        "several": several,
        "share": wording.share,
    }
    environment.filters.update(filters)
    return environment
