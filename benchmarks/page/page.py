"""The page of a suite: what was asked, run and found, and where Chaffinch loses."""

import importlib
import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd

from benchmarks.catalogue import PEERS, summary_of
from benchmarks.engine.plan import Plan
from benchmarks.engine.results import with_settings
from benchmarks.engine.suite import Block
from benchmarks.markdown import table_line
from benchmarks.page import chart
from benchmarks.page.grid import lay_out
from benchmarks.page.table import losses, render, word
from chaffinch.store.run import write_text

_COMMAND = "python -m benchmarks"
_LIBRARIES = ("torch", "numpy", "scikit-learn")
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def page_name(plan: Plan) -> str:
    """Name of the files of a suite; full size has files of its own."""
    return plan.suite.name + ("_full" if plan.choice.full else "")


def write_page(plan: Plan, table: pd.DataFrame, out: Path) -> Path:
    """Write NAME.parquet, NAME.md and the drawings NAME/*.svg.

    Args:
        plan: What was measured.
        table: The long table of results.
        out: Folder to write to; files of other suites are left alone.

    Returns:
        Path of the Markdown page.
    """
    name = page_name(plan)
    out.mkdir(parents=True, exist_ok=True)
    table.to_parquet(out / f"{name}.parquet", index=False)
    wide = with_settings(table)
    parts = [_head(plan), _tables(plan, wide), _drawings(plan, wide, out / name)]
    parts += [_where_it_loses(plan, wide), _failures(plan, table), _what_was_run(plan)]
    parts += [_methods(table), _versions(table)]
    path = out / f"{name}.md"
    write_text(path, "\n".join(part for part in parts if part))
    write_index(out)
    return path


def write_index(out: Path) -> None:
    """Write index.md: the suites whose pages are in the folder."""
    lines = [
        "# Benchmarks",
        "",
        "Every page is written by the command that it states, from results that the same command",
        "measures; [how to run them](../bench.md) tells the rules.",
        "",
        "| suite | answers | made by |",
        "|---|---|---|",
    ]
    for results in sorted(out.glob("*.parquet")):
        page = results.with_suffix(".md")
        if not page.is_file():
            continue
        content = page.read_text("utf-8").splitlines()
        command = next(line for line in content if line.startswith(_COMMAND))
        title, question = content[0].removeprefix("# "), content[2]
        lines.append(f"| [{title}]({page.name}) | {question} | `{command}` |")
    write_text(out / "index.md", "\n".join(lines) + "\n")


def _head(plan: Plan) -> str:
    suite = plan.suite
    lines = [f"# {suite.title}", "", " ".join(suite.question.split()), ""]
    lines += ["```text", f"{_COMMAND} {suite.source}{plan.choice.words}", "```", ""]
    if not plan.choice.full:
        lines += [
            f"Takes about {suite.minutes:g} min on two cores where nothing was measured before.",
            "",
        ]
    lines += [f"- {' '.join(note.split())}" for note in suite.notes]
    lines += [f"- Left out: `{name}`, since {why}." for name, why in sorted(plan.left_out.items())]
    return "\n".join(lines) + "\n"


def _tables(plan: Plan, wide: pd.DataFrame) -> str:
    parts = [
        f"### {spec.title}\n\n{render(lay_out(wide, spec), spec)}" for spec in plan.suite.tables
    ]
    legend = "Best in **bold**, controls in *italics*, `chaffinch` is the tool's own judgement.\n"
    return "\n".join(["## Results", "", legend, *parts]) if parts else ""


def _drawings(plan: Plan, wide: pd.DataFrame, folder: Path) -> str:
    lines: list[str] = []
    for spec in plan.suite.plots:
        if chart.draw(wide, spec, folder / f"{spec.name}.svg"):
            lines += _drawing(spec.title, f"{folder.name}/{spec.name}.svg", spec.note)
    for figure in plan.suite.figures:
        module, _, function = figure.function.partition(":")
        path = folder / f"{figure.name}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context(chart.STYLE):
            getattr(importlib.import_module(module), function)(path)
        lines += _drawing(figure.title, f"{folder.name}/{figure.name}.svg", figure.note)
    return "\n".join(lines)


def _drawing(title: str, link: str, note: str) -> list[str]:
    return [f"### {title}", "", f"![{title}]({link})", "", *([note, ""] if note else [])]


def _where_it_loses(plan: Plan, wide: pd.DataFrame) -> str:
    lines: list[str] = []
    for spec in plan.suite.tables:
        found = losses(lay_out(wide, spec), spec)
        if found:
            lines += [f"{spec.title}:", "", *[f"- {line}." for line in found], ""]
    ran = (wide["origin"] == "chaffinch").any()
    if not ran:
        return ""
    if not lines:
        lines = ["In no column of the tables above.", ""]
    text = (
        "Columns in which the tool's own judgement is not the best row (oracles apart), with the "
        "difference to the best rival, and to the best other library where that is ahead, too: "
        "mean ± standard deviation over paired seeds. The best of many rows is chosen in "
        "hindsight, which favours it.\n"
    )
    return "\n".join(["## Where Chaffinch loses", "", text, *lines])


def _failures(plan: Plan, table: pd.DataFrame) -> str:
    failed = table[table["status"] == "failed"]
    if failed.empty:
        return ""
    names = ["protocol", "data", "model", "glitch", "rate", "seed", "method"]
    lines = [
        "## Failures",
        "",
        f"{len(failed)} of the {len(plan.jobs)} cells, or methods in them, came to nothing and are "
        "missing from the figures above.",
        "",
        table_line([*names, "message"]),
        table_line(["---"] * (len(names) + 1)),
    ]
    for row in failed.itertuples():
        values = [word(getattr(row, name)) or "all" for name in names]
        lines.append(table_line([*values, " ".join(str(row.message).split())[:300]]))
    return "\n".join(lines) + "\n"


def _what_was_run(plan: Plan) -> str:
    names = ["experiment", "protocol", "data", "model", "glitch", "rate"]
    heads = [*names, "seeds", "settings"]
    lines = ["## What was run", "", f"{len(plan.jobs)} cells: the products of each row.", ""]
    lines += [table_line(heads), table_line(["---"] * len(heads))]
    for block in plan.blocks:
        values = [_listed(getattr(block, name)) for name in names]
        seeds = block.seed_list(plan.choice.seeds)
        lines.append(table_line([*values, _listed(seeds), _settings(block)]))
    if plan.choice.only:
        lines += ["", f"Of these only the cells chosen by `{plan.choice.words.strip()}`."]
    return "\n".join(lines) + "\n"


def _settings(block: Block) -> str:
    parts = [f"{name} = {value}" for name, value in block.settings.items()]
    return ", ".join(parts + [f"{name} in {values}" for name, values in block.vary.items()])


def _methods(table: pd.DataFrame) -> str:
    ran = table[table["method"] != ""].drop_duplicates("method").sort_values("method")
    if ran.empty:
        return ""
    lines = ["## Methods", "", "| method | origin | what it is |", "|---|---|---|"]
    for name, origin in zip(ran["method"], ran["origin"], strict=True):
        lines.append(table_line([f"`{name}`", origin, summary_of(name)]))
    return "\n".join(lines) + "\n"


def _versions(table: pd.DataFrame) -> str:
    peers = sorted(set(table["origin"]) & set(PEERS))
    names = dict.fromkeys([*_LIBRARIES, *(_DISTRIBUTIONS.get(name, name) for name in peers)])
    found = [f"Python {platform.python_version()}"]
    for name in ("chaffinch", *names):
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"## Versions\n\n{', '.join(found)}.\n"


def _listed(values: str | Sequence[Any]) -> str:
    words = [values] if isinstance(values, str) else values
    return ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in words)
