"""Pages: the figures of the tables, where the tool loses, drawings, and files without a date."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from fake_experiment import value
from fake_suite import CELLS, TABLE

from benchmarks.engine.suite import PlotSpec, TableSpec
from benchmarks.page.chart import draw
from benchmarks.page.grid import lay_out
from benchmarks.page.page import write_page
from benchmarks.page.table import losses, number, render, word
from chaffinch.core.errors import InputError

PLOTS = """
[[plots]]
name = "curve"
title = "By epoch"
metric = "accuracy"
panels = "data"
[[plots]]
name = "bars"
title = "By glitch"
kind = "bars"
metric = "auroc"
x = "glitch"
[[plots]]
name = "nothing"
title = "Nothing"
metric = "gold"
"""
FIGURE = """
[[figures]]
name = "own"
title = "A drawing"
function = "fake_experiment:figure"
"""


def table_of(**columns):
    """Results with given columns; the others are the same in every row."""
    size = max(len(column) for column in columns.values())
    usual = {
        "experiment": "e",
        "protocol": "corrected",
        "data": "d",
        "model": "m",
        "glitch": "g",
        "rate": 0.1,
        "seed": 0,
        "settings": "{}",
        "method": "chaffinch",
        "metric": "auroc",
        "group": "",
        "x": math.nan,
        "status": "ok",
    }
    frame = pd.DataFrame({**{name: [one] * size for name, one in usual.items()}, **columns})
    origins = {"chaffinch": "chaffinch", "oracle": "control", "random": "control"}
    peers = {"peer a": "cleanlab", "peer b": "pyod"}
    frame["origin"] = [(origins | peers).get(name, "scorer") for name in frame["method"]]
    return frame


def spec(**values):
    return TableSpec(**{"name": "t", "title": "T", "metric": "auroc", **values})


def body(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_table_holds_means_and_deviations_over_seeds(measured):
    plan, table = measured(CELLS, TABLE)
    rows = body(render(lay_out(table, plan.suite.tables[0]), plan.suite.tables[0]))
    assert rows[0] == ["method", "flips", "blur", "mean"]
    assert [row[0] for row in rows[2:]] == ["good", "**chaffinch**", "*oracle*", "*random*"]
    cells = [job.cell for job in plan.jobs if job.cell.glitch == "flips"]
    by_seed = [
        np.mean([value(one, "good") for one in cells if one.seed == seed]) for seed in range(3)
    ]
    assert rows[2][1] == f"**{np.mean(by_seed):.3f} ± {np.std(by_seed, ddof=1):.3f}**"
    blur = [value(job.cell, "good") for job in plan.jobs if job.cell.glitch == "blur"]
    assert rows[2][3] == f"{(np.mean(by_seed) + np.mean(blur)) / 2:.3f}"


def test_the_line_below_says_what_was_averaged(measured):
    plan, table = measured(CELLS, TABLE)
    text = render(lay_out(table, plan.suite.tables[0]), plan.suite.tables[0])
    assert text.endswith(
        "\nAUROC, mean ± standard deviation over 3 seeds; averaged over data (2).\n"
    )


def test_less_is_better_for_seconds(measured):
    wanted = spec(metric=["auroc", "seconds"], columns=["data"], note="So be it.")
    text = render(lay_out(measured(CELLS)[1], wanted), wanted)
    rows = body(text)
    assert rows[0] == ["method", "one, AUROC", "one, seconds ↓", "two, AUROC", "two, seconds ↓"]
    assert [row[1].startswith("**") for row in rows[2:]] == [True, False, False, False]
    assert [row[2].startswith("**") for row in rows[2:]] == [False, True, False, False]
    assert "less is better where marked ↓" in text
    assert text.endswith("So be it.\n")


def test_rows_that_rest_on_less_are_marked():
    table = table_of(
        method=["chaffinch"] * 4 + ["aum"] * 2 + ["knn"],
        data=["a", "a", "b", "b", "a", "a", "a"],
        seed=[0, 1, 0, 1, 0, 1, 0],
        value=[0.5, 0.5, 0.7, 0.7, 0.9, 0.9, 0.8],
        glitch=["g", "g", "g", "g", "g", "g", "h"],
    )
    text = render(lay_out(table, spec()), spec())
    rows = {row[0]: row[1:] for row in body(text)[2:]}
    assert rows["**chaffinch**"] == ["0.600 ± 0.000", "-", "-"]
    assert rows["aum"] == ["**0.900 ± 0.000**†", "-", "-"]
    assert rows["knn"] == ["-", "**0.800** (n = 1)", "-"]
    assert "† rests on fewer measurements" in text


def test_protocols_are_never_averaged():
    table = table_of(protocol=["paper", "corrected"], value=[0.2, 0.4])
    assert body(render(lay_out(table, spec()), spec()))[0] == [
        "method", "g, paper", "g, corrected", "mean"
    ]  # fmt: skip


def test_groups_and_curves_are_shown_only_where_asked_for():
    table = table_of(
        group=["", "rare", "", ""], x=[math.nan, math.nan, 1.0, 2.0], value=[0.1, 0.2, 0.3, 0.4]
    )
    cells = {
        name: body(render(lay_out(table, one), one))[2][1:]
        for name, one in {
            "plain": spec(),
            "group": spec(columns=["group"]),
            "where": spec(where={"group": "rare"}),
            "last": spec(where={"x": "last"}),
            "x": spec(columns=["x"]),
        }.items()
    }
    assert cells == {
        "plain": ["**0.100**"],
        "group": ["**0.100**", "**0.200**", "0.150"],
        "where": ["**0.200**"],
        "last": ["**0.400**"],
        "x": ["**0.300**", "**0.400**", "0.350"],
    }


def test_settings_are_dimensions(measured):
    table = measured(CELLS, "[cells.vary]\ntrees = [10, 100]")[1]
    wanted = spec(rows=["trees"], columns=["method"], methods=["good", "control"])
    grid = lay_out(table, wanted)
    assert [row[0] for row in body(render(grid, wanted))] == ["trees", "---", "10", "100"]
    assert len(grid.column_keys) == 3
    with pytest.raises(InputError, match="'leaves'"):
        lay_out(table, spec(rows=["leaves"]))


def test_where_the_tool_loses_names_the_best_rival_and_the_best_peer():
    methods = ["chaffinch", "aum", "oracle", "peer a", "peer b", "random"]
    table = table_of(
        method=methods * 2,
        seed=[0] * 6 + [1] * 6,
        value=[0.5, 0.7, 1, 0.6, 0.55, 0.1, 0.6, 0.65, 1, 0.66, 0.5, 0.1],
    )
    assert losses(lay_out(table, spec()), spec()) == [
        "**g**: `chaffinch` is 3 of 5; behind `aum` (scorer) by 0.125 ± 0.106 (2 of 2 seeds) and "
        "`peer a` (cleanlab) by 0.080 ± 0.028 (2 of 2 seeds)"
    ]


@pytest.mark.parametrize(
    ("values", "metric", "lost"),
    [
        ((0.5, 0.5, 0.9), "auroc", False),
        ((0.5, 0.6, 0.9), "auroc", True),
        ((3.0, 4.0, 0.1), "seconds", False),
        ((3.0, 2.0, 0.1), "seconds", True),
        ((0.5, 0.4, 0.6), "accuracy", False),
    ],
    ids=["tie", "behind", "fastest", "slower", "best"],
)
@pytest.mark.parametrize("oracle", ["oracle", "oracle trim"])
def test_a_tie_and_an_oracle_are_no_losses(oracle, values, metric, lost):
    table = table_of(method=["chaffinch", "aum", oracle], value=list(values), metric=[metric] * 3)
    one = spec(metric=metric)
    assert bool(losses(lay_out(table, one), one)) is lost


def test_losing_to_doing_nothing_is_told():
    table = table_of(method=["chaffinch", "random"], value=[0.5, 0.6], metric=["accuracy"] * 2)
    one = spec(metric="accuracy")
    assert "behind `random` (control) by 0.100" in losses(lay_out(table, one), one)[0]


def test_a_long_table_is_shortened_and_all_of_it_folded_in():
    others = [f"other {n}" for n in range(40)]
    peers = [("cleanlab a", 0.2), ("cleanlab b", 0.1)]
    names = [*others, "chaffinch", "random", *(name for name, _ in peers)]
    values = [0.9 - n / 100 for n in range(40)] + [0.3, 0.25] + [value for _, value in peers]
    origins = ["scorer"] * 40 + ["chaffinch", "control", "cleanlab", "cleanlab"]
    wide = table_of(method=names, value=values).assign(origin=origins)
    above, folded = render(lay_out(wide, spec()), spec()).split("<details>")
    shown = [line.split(" | ")[0].strip("| *") for line in above.splitlines() if "0." in line]
    assert shown == [*others[:20], "chaffinch", "cleanlab a", "random"]
    assert "All 44 rows" in folded
    assert all(name in folded for name in names)
    few = render(lay_out(wide.iloc[:30], spec()), spec())
    assert "<details>" not in few


def test_an_empty_table_says_so(measured):
    one = spec(metric="gold")
    assert render(lay_out(measured(CELLS)[1], one), one).startswith("*Nothing was measured")


def test_figures_and_words_are_short():
    assert number(1e-17, spec()) == "0.000"
    assert number(1234.5, spec(metric="seconds")) == "1,234"
    assert number(0.01234, spec(metric="seconds")) == "0.0123"
    assert number(0.5, spec(digits=1)) == "0.5"
    assert (word(0.1), word("far_cluster"), word("auroc")) == ("0.1", "far cluster", "AUROC")


def test_a_page_is_the_same_for_the_same_results(measured, tmp_path):
    plan, table = measured(CELLS, TABLE, PLOTS, FIGURE)
    results = table[[name for name in table.columns if not name.startswith("settings.")]]
    for place in ("a", "b"):
        page = write_page(plan, results, tmp_path / place)
    assert page == tmp_path / "b" / "fake.md"
    files = sorted(one.relative_to(tmp_path / "a") for one in (tmp_path / "a").rglob("*.*"))
    assert [one.name for one in files] == [
        "bars.svg", "curve.svg", "own.svg", "fake.md", "fake.parquet", "index.md"
    ]  # fmt: skip
    for one in files:
        assert (tmp_path / "a" / one).read_bytes() == (tmp_path / "b" / one).read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a" / "fake.parquet"), results)


def test_a_page_tells_all_that_is_needed_to_repeat_it(measured, tmp_path):
    notes = 'notes = ["Nothing is trained."]\n'
    plan, table = measured(notes + CELLS, TABLE, PLOTS, seeds=2)
    plan.left_out["peer a"] = "peer is not installed"
    text = write_page(plan, table[[c for c in table if "settings." not in c]], tmp_path).read_text()
    for part in (
        "# Fake\n\nDoes it run?\n",
        "\npython -m benchmarks fake --seeds 2\n",
        "- Nothing is trained.\n",
        "- Left out: `peer a`, since peer is not installed.\n",
        "![By epoch](fake/curve.svg)",
        "## Where Chaffinch loses",
        "- **flips**: `chaffinch` is 2 of 3; behind `good`",
        "| fake | corrected | one, two | none | flips, blur | 0.1 | 0, 1 |  |",
        "Python 3",
    ):
        assert part in text
    assert "nothing.svg" not in text
    assert "## Failures" not in text
    index = (tmp_path / "index.md").read_text()
    assert "| [Fake](fake.md) | Does it run? | `python -m benchmarks fake --seeds 2` |" in index


def test_failures_are_counted_and_named(measured, tmp_path):
    plan, table = measured(CELLS, '[cells.settings]\ntrouble = "error"\nseed = 1', TABLE)
    text = write_page(plan, table[[c for c in table if "settings." not in c]], tmp_path).read_text()
    assert "4 of the 12 cells" in text
    assert "| corrected | two | none | blur | 0.1 | 1 | all | ValueError: the cat" in text


def test_lines_of_the_tool_and_of_controls_stand_out(measured, tmp_path):
    path = tmp_path / "lines.svg"
    assert draw(measured(CELLS)[1], PlotSpec(name="p", title="P", metric="accuracy"), path)
    text = path.read_text()
    assert re.search(r"stroke: #d55e00; stroke-width: 2\.8", text)
    assert re.search(r"stroke-dasharray[^\"]*stroke: #777777", text)
    assert "<dc:date>" not in text


def test_slower_is_behind_by_what_it_takes_longer():
    table = table_of(method=["chaffinch", "aum"], value=[3.0, 2.0], metric=["seconds"] * 2)
    one = spec(metric="seconds")
    assert "behind `aum` (scorer) by 1 (1 of 1 seeds)" in losses(lay_out(table, one), one)[0]
