"""The outcome of a run on a terminal, also on 80 columns and without colour."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from chaffinch.report import verdict, wording
from chaffinch.report.kind import several
from chaffinch.report.sample import Gallery, Sample, hang
from chaffinch.report.verdict import Verdict
from chaffinch.report.wording import Naming
from chaffinch.store.run import FINDINGS, REPORT, RunFolder, RunRecord

_MOST = 10
_LABEL_WIDTH = 10
_ID_WIDTH = 19
_ROW_WIDTH = 7
_LONGEST_SOURCE = 40
_ROOMY = 100
_LEAST_PREVIEW = 10
_GAP = 2
_NUMBERS = ("row", "conf.", "susp.", "q")
_RUST = "rgb(214,120,76)"
_SLATE = "rgb(110,140,168)"


def summary(run: RunFolder, console: Console) -> None:
    """Print what was found, the ten most suspicious samples, and where the rest is.

    Args:
        run: A finished run.
        console: Where to print; colour and width are its business.

    Raises:
        RunError: The run folder is damaged.
    """
    record, findings = run.latest
    outcome = verdict.judge(record, findings)
    naming = Naming(record.data.classes, record.task)
    gallery = hang(run.gallery, findings, naming)
    console.print()
    console.print(_headline(outcome))
    console.print(_expectation(outcome))
    console.print()
    console.print(_facts(record, outcome, naming))
    if gallery.samples:
        console.print()
        console.print(_ranking(gallery, outcome, console.width))
    if outcome.notes:
        console.print()
        console.print(_notes(outcome))
    console.print()
    for place in _places(run):
        # The terminal may wrap a long path; broken by us it could not be copied.
        console.print(place, soft_wrap=True)
    console.print(_next(run, outcome), soft_wrap=True)


def _headline(outcome: Verdict) -> Text:
    text = Text(outcome.headline, style="bold")
    if outcome.flagged:
        text.stylize(_RUST, 0, len(wording.count(outcome.flagged)))
    return text


def _expectation(outcome: Verdict) -> Text:
    line = outcome.expectation[0].upper() + outcome.expectation[1:] + "."
    if not outcome.flagged:
        of = f"{outcome.noun}s" if outcome.labelled else "responses"
        line += f" That none stands out is no proof that all {of} are right."
    return Text(line)


def _facts(record: RunRecord, outcome: Verdict, naming: Naming) -> Table:
    grid = _grid()
    data, model = record.data, record.model
    size = f"{wording.count(data.samples)} samples"
    if len(data.classes) > 1:
        size += f", {len(data.classes)} classes"
    grid.add_row(_safe("Data"), _safe(f"{data.source} ({size})"))
    grid.add_row(_safe("Model"), _safe(model.name))
    if outcome.aside:
        told = (f"{wording.count(n)} {several(kind, naming)}" for kind, n in outcome.aside)
        counted = ", ".join(told)
        grid.add_row(_safe("Not judged"), _safe(counted))
    for name, share, meaning in outcome.accuracies:
        grid.add_row(_safe(name), _safe(f"{wording.percent(share)} {meaning}"))
    if record.demo:
        figures = verdict.demo_figures(record.demo)
        truth = ", ".join(f"{name} {value}" for name, value in figures)
        grid.add_row(_safe("Known truth"), _safe(f"{truth} (demo: errors put in on purpose)"))
    return grid


def _ranking(gallery: Gallery, outcome: Verdict, width: int) -> Table:
    title = "Most suspicious" if outcome.flagged else "Closest to the line (none is flagged)"
    table = Table(
        title=Text(title, style="bold"),
        title_justify="left",
        box=None,
        padding=(0, _GAP, 0, 0),
        pad_edge=False,
        header_style=_SLATE,
    )
    shown = [one for one in gallery.samples if not one.is_aside][:_MOST]
    columns = _columns(shown, width, outcome.labelled)
    left = width - sum(_size(*column) + _GAP for column in columns)
    if left > _LEAST_PREVIEW and any("/" in one.source for one in shown):  # files, not rows of one
        most = min(left - _GAP, _LONGEST_SOURCE)
        columns.insert(2, ("source", "", most, [_end(one.source, most) for one in shown]))
    left = width
    for name, style, longest, texts in columns:
        # Asked for in full: rich would otherwise shorten what tells the samples apart.
        size = _size(name, style, longest, texts)
        left -= size + _GAP
        flush: JustifyMethod = "right" if name in _NUMBERS else "left"
        table.add_column(name, width=size, justify=flush, no_wrap=True, style=style)
    previews = [_flat(one.preview) for one in shown]
    if any(previews) and left >= _LEAST_PREVIEW:
        table.add_column("sample", width=left, no_wrap=True, style="dim")
        columns.append(("sample", "dim", left, previews))
    for cells in zip(*(cells for *_, cells in columns), strict=True):
        table.add_row(*map(Text, cells))
    return table


def _columns(
    shown: Sequence[Sample], width: int, labelled: bool
) -> list[tuple[str, str, int, list[str]]]:
    """Name, style, greatest width and cells of all columns but the preview."""
    label = _LABEL_WIDTH if width < _ROOMY else 2 * _LABEL_WIDTH
    dash = wording.MISSING
    places = [("row", "", _ROW_WIDTH, [one.row for one in shown])]
    if not labelled:
        return [
            ("id", "", _ID_WIDTH, [_flat(one.id) for one in shown]),
            *places,
            ("kind", _RUST, 2 * _LABEL_WIDTH, [_flat(one.title) for one in shown]),
            ("susp.", "", 6, [one.suspicion for one in shown]),
            ("q", "", 6, [one.q for one in shown]),
        ]
    suggestions = [(one.suggested or dash, one.confidence) for one in shown]
    return [
        ("id", "", _ID_WIDTH, [_flat(one.id) for one in shown]),
        *places,
        ("given", "", label, [_flat(one.given) for one in shown]),
        ("suggested", _RUST, label, [_flat(suggested) for suggested, _ in suggestions]),
        ("conf.", "", 6, [dash if text == dash else sure for text, sure in suggestions]),
        ("susp.", "", 6, [one.suspicion for one in shown]),
        ("q", "", 6, [one.q for one in shown]),
    ]


def _size(name: str, _style: str, longest: int, texts: Sequence[str]) -> int:
    """The width of a column."""
    return min(longest, max(cell_len(text) for text in (name, *texts)))


def _end(path: str, most: int) -> str:
    """The end of a path, which tells it from others, where it is too long for its column."""
    flat = _flat(path)
    return flat if len(flat) <= most else "..." + flat[3 - most :]


def _places(run: RunFolder) -> list[Text]:
    places = {"Report": REPORT} if (run.path / REPORT).is_file() else {}
    places["Findings"] = FINDINGS
    return [
        Text.assemble((f"{name:<13}", _SLATE), _flat((run.path / file).as_posix()))
        for name, file in places.items()
    ]


def _next(run: RunFolder, outcome: Verdict) -> Text:
    """One line of what to do next."""
    if not outcome.labelled:
        command, why = "propose", "a plan of what to do"
    elif outcome.flagged:
        command, why = "review", "look at them and decide"
    else:
        command, why = "calibrate", "30 answers tell how many labels are wrong"
    place = _flat(run.path.as_posix())
    quoted = f"'{place}'" if " " in place else place
    return Text.assemble(("Next         ", _SLATE), f"chaffinch {command} {quoted}  ({why})")


def _notes(outcome: Verdict) -> Table:
    grid = _grid()
    for note in outcome.notes:
        grid.add_row(_safe("Note"), _safe(note))
    return grid


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style=_SLATE, no_wrap=True, min_width=11)
    grid.add_column(overflow="fold")
    return grid


def _safe(text: str) -> Text:
    """Text that no markup and no control character of the data can change."""
    return Text(_flat(text))


def _flat(text: str) -> str:
    return " ".join(wording.clean(text).split())
