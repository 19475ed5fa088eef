"""A grid of results as a Markdown table, and what it says about where Chaffinch loses."""

import math
from collections import Counter

from benchmarks.catalogue import PEERS
from benchmarks.engine.suite import TableSpec
from benchmarks.markdown import table_line
from benchmarks.page.grid import Grid, Key

_PARTIAL, _NOTHING = "†", "-"
_WORDS = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "precision_at_k": "precision in the top 5 %",
    "f1_known_rate": "F1 at the known rate",
    "f1_own": "F1 at its own threshold",
    "f1_best": "best F1 in hindsight",
    "peak_mib": "peak MiB",
}
_COSTS = frozenset({"seconds", "peak_mib"})
_ROUNDING = 1e-9
_LONG, _LEADING = 30, 20  # rows: from where on a table is shortened, and to how many


def render(grid: Grid, spec: TableSpec) -> str:
    """The table and the sentences below it."""
    if not grid.entries:
        return "*Nothing was measured for this table.*\n"
    with_mean = len(grid.ranked_columns()) > 1 and len(spec.metric) == 1 and "method" in grid.rows
    heads = [word(name) for name in grid.rows]
    heads += [_head(grid, key) for key in grid.column_keys] + ["mean"] * with_mean
    usual = Counter(len(entry.by_seed) for entry in grid.entries.values()).most_common(1)[0][0]
    figures = len(heads) - len(grid.rows)
    top = [table_line(heads), table_line(["---"] * len(grid.rows) + ["--:"] * figures)]
    lines: dict[Key, str] = {}
    for row in grid.row_keys:
        cells = [_value(grid, spec, row, column, usual) for column in grid.column_keys]
        mean = grid.row_mean(row)
        cells += [_NOTHING if math.isnan(mean) else number(mean, spec)] * with_mean
        lines[row] = table_line([_name(grid, row, place) for place in range(len(row))] + cells)
    shown = _shown(grid)
    parts = [*top, *(lines[row] for row in shown), "", _below(grid, spec, usual), ""]
    if len(shown) < len(lines):
        summary = f"<details><summary>All {len(lines)} rows</summary>"
        parts += [summary, "", *top, *lines.values(), "", "</details>", ""]
    return "\n".join(parts)


def _shown(grid: Grid) -> list[Key]:
    """Rows of a long table that stand for it: the leading ones, our own, controls, best peers."""
    if len(grid.row_keys) <= _LONG:
        return list(grid.row_keys)
    known: set[str] = set()
    shown = []
    for place, row in enumerate(grid.row_keys):
        origin = grid.origin(row)
        best_peer = origin in PEERS and origin not in known
        known.add(origin)
        if place < _LEADING or best_peer or origin in ("chaffinch", "control"):
            shown.append(row)
    return shown


def losses(grid: Grid, spec: TableSpec) -> list[str]:
    """One line for each column in which the tool is not the best, oracles apart."""
    lines = []
    for column in grid.column_keys:
        for others in dict.fromkeys(grid.others(row) for row in grid.row_keys):
            rivals = [
                row
                for row in grid.row_keys
                if grid.others(row) == others
                and (row, column) in grid.entries
                and not _no_rival(grid, spec, row, column)
            ]
            ours = [row for row in rivals if grid.origin(row) == "chaffinch"]
            if ours:
                place = ", ".join(filter(None, [_place(grid, column), *map(str, others)]))
                lines += _losses(grid, spec, column, place, _ordered(grid, column, rivals))
    return lines


def number(value: float, spec: TableSpec, metric: str = "") -> str:
    """A figure as tables show it."""
    metric = metric or spec.metric[0]
    value = 0.0 if abs(value) < _ROUNDING else value
    if spec.digits is None and metric in _COSTS:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:.{3 if spec.digits is None else spec.digits}f}"


def word(name: object) -> str:
    """A name of a dimension, a metric or a value as a reader sees it."""
    if name in _WORDS:
        return _WORDS[str(name)]
    if isinstance(name, float):
        return f"{name:g}"
    return str(name).removeprefix("settings.").replace("_", " ")


def _losses(grid: Grid, spec: TableSpec, column: Key, place: str, ranked: list[Key]) -> list[str]:
    """What the best rival and the best peer have over the best of our own rows."""
    ours = next(row for row in ranked if grid.origin(row) == "chaffinch")
    ahead = ranked[: ranked.index(ours)]
    if not ahead:
        return []
    told = [ahead[0]]
    told += [row for row in ahead[1:] if grid.origin(row) in PEERS][:1] * (
        grid.origin(ahead[0]) not in PEERS
    )
    text = " and ".join(_comparison(grid, spec, ours, rival, column) for rival in told)
    rank = len(ahead) + 1
    where = f"**{place}**: " if place else ""
    return [f"{where}`{grid.method(ours)}` is {rank} of {len(ranked)}; behind {text}"]


def _comparison(grid: Grid, spec: TableSpec, ours: Key, rival: Key, column: Key) -> str:
    us, them = grid.entries[ours, column], grid.entries[rival, column]
    sign = -1 if column in grid.lower else 1
    seeds = sorted(us.by_seed.keys() & them.by_seed.keys())
    gaps = [sign * (them.by_seed[seed] - us.by_seed[seed]) for seed in seeds]
    metric = _metric(grid, spec, column)
    name = f"`{grid.method(rival)}` ({grid.origin(rival) or 'unknown origin'})"
    if not gaps:
        gap = sign * (them.mean - us.mean)
        return f"{name} by {number(gap, spec, metric)} (no seed in common)"
    mean = sum(gaps) / len(gaps)
    spread = ""
    if len(gaps) > 1:
        deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1))
        spread = f" ± {number(deviation, spec, metric)}"
    behind = sum(gap > _ROUNDING for gap in gaps)
    return f"{name} by {number(mean, spec, metric)}{spread} ({behind} of {len(gaps)} seeds)"


def _ordered(grid: Grid, column: Key, rows: list[Key]) -> list[Key]:
    sign = 1 if column in grid.lower else -1
    first = {"chaffinch": 0}  # a tie is no loss
    return sorted(
        rows,
        key=lambda row: (sign * grid.entries[row, column].mean, first.get(grid.origin(row), 1)),
    )


def _no_rival(grid: Grid, spec: TableSpec, row: Key, column: Key) -> bool:
    """Oracles know the truth, and a control costs nothing because it does nothing."""
    costs = _metric(grid, spec, column) in _COSTS
    knows = grid.method(row).startswith("oracle")  # "oracle", "oracle trim", ...
    return knows or (costs and grid.origin(row) == "control")


def _value(grid: Grid, spec: TableSpec, row: Key, column: Key, usual: int) -> str:
    entry = grid.entries.get((row, column))
    if entry is None:
        return _NOTHING
    metric = _metric(grid, spec, column)
    text = number(entry.mean, spec, metric)
    if len(entry.by_seed) > 1:
        text += f" ± {number(entry.deviation, spec, metric)}"
    if row in grid.best(row, column):
        text = f"**{text}**"
    elif grid.origin(row) == "control":
        text = f"*{text}*"
    if len(entry.by_seed) != usual:
        text += f" (n = {len(entry.by_seed)})"
    return text + _PARTIAL * entry.partial


def _metric(grid: Grid, spec: TableSpec, column: Key) -> str:
    return str(column[grid.columns.index("metric")]) if "metric" in grid.columns else spec.metric[0]


def _name(grid: Grid, row: Key, place: int) -> str:
    if grid.rows[place] != "method":
        return word(row[place]) or "all"
    name, origin = str(row[place]), grid.origin(row)
    if origin == "control":
        return f"*{name}*"
    if origin == "chaffinch":
        return f"**{name}**"
    return f"{name} ({origin})" if origin not in ("", "scorer", name.split()[0]) else name


def _head(grid: Grid, key: Key) -> str:
    words = ", ".join(word(value) or "all" for value in key) or "value"
    return words + (" ↓" if key in grid.lower and len(grid.lower) < len(grid.column_keys) else "")


def _place(grid: Grid, key: Key) -> str:
    words = []
    for name, value in zip(grid.columns, key, strict=True):
        number_like = isinstance(value, int | float) and not isinstance(value, bool)
        words.append(f"{word(name)} {word(value)}" if number_like else word(value) or "all")
    return ", ".join(words)


def _below(grid: Grid, spec: TableSpec, usual: int) -> str:
    seeds = "one seed" if usual == 1 else f"mean ± standard deviation over {usual} seeds"
    metric = ", ".join(word(name) for name in spec.metric)
    text = f"{metric[0].upper()}{metric[1:]}, {seeds}"
    if grid.lower:
        some = len(grid.lower) < len(grid.column_keys)
        text += "; less is better" + " where marked ↓" * some
    if grid.averaged:
        parts = ", ".join(f"{word(name)} ({count})" for name, count in grid.averaged.items())
        text += f"; averaged over {parts}"
    if any(entry.partial for entry in grid.entries.values()):
        text += f"; {_PARTIAL} rests on fewer measurements than other rows of its column"
    return text + "." + (f" {spec.note}" if spec.note else "")
