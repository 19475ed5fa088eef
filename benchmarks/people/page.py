"""The page: summaries by group of sets, every set, and where Chaffinch loses."""

import datetime
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.markdown import table_line
from benchmarks.page.page import write_index
from benchmarks.people.results import Note, Plan
from chaffinch.store.run import write_text

GROUPS = {
    "human": "Labels that people gave",
    "uniform": "Uniform flips",
    "systematic": "Systematic flips",
    "small": "Small tables",
    "clean": "Clean labels: everything flagged is a false alarm",
}
_FIGURES = {
    "f1": "F1",
    "best_f1": "best F1",
    "gap": "gap",
    "gap_90": "gap, 90 %",
    "auroc": "AUROC",
    "ap": "AP",
    "flagged": "flagged",
    "rate_size": "rate off by",
    "fdr": "FDR",
    "fdr_met": "FDR met",
    "covered": "interval holds",
    "width": "width",
}
_BEST = {"f1": max, "best_f1": max, "auroc": max, "ap": max, "rate_size": min}
_CLEAN = {"flagged": min, "estimated_rate": min}
_CLEAN_HEADS = {
    "flagged": "flagged",
    "worst": "most in a run",
    "estimated_rate": "estimated rate",
    "covered": "interval holds",
    "width": "width",
}
FDR_ALLOWED = 0.13

NOTES = (
    "Human labels: CIFAR-10N, aggregate (about 9 % wrong) and worst (40 %), judged from released "
    "predictions of fine-tuned networks or from EfficientNet-lite0 features; test sets of 20news "
    "and CIFAR-10 whose labels were reviewed by five people each. Of the reviewed sets, figures "
    "are those of the reviewed samples, which are no random part, and a label is wrong if most "
    "votes say so (the guessed class or neither). No rate is scored there.",
    "Right labels and aggregate labels of the released predictions are in different orders around "
    "the borders of folds; rows within 1,000 of a border are left out for aggregate labels.",
    "Injected: exact counts, every flip changes its label. `class`: each class confused with one "
    "other, a share of all samples; `one-sided`: a share of one class; `pair`: a share of one "
    "class gets the label of one other; `source`: one of five sources has a share wrong, and "
    "`chaffinch groups` is told which. Each seed redraws samples, noise and classes.",
    "Evidence: 5-fold probabilities (Covertype by gradient boosting, all others by logistic "
    "regression); for SST-2 and digits also embeddings (singular vectors of TF-IDF, principal "
    "components). Where there are embeddings only, peers get the votes of ten neighbours, as "
    "cleanlab's Datalab does. Small tables: 850 rows of four classes, 10 % flipped.",
    "F1 is that of the own threshold, best F1 that of the best threshold on the same scores in "
    "hindsight, gap their difference. `rate off by` is the mean size of estimated minus true rate. "
    "FDR: share of false alarms among q-values of at most 10 %; met: runs in which it is at most "
    "13 %. Answered samples count like all others.",
    "`top floor`: Chaffinch's noise model, unless the rate it estimates is below .75 of the lower "
    "bound of the share of labels that the surest tenth of predictions contradicts; then the "
    "margin alone. `oracle`: the best threshold on Chaffinch's suspicion.",
    "Yeast is left out: its samples have several labels each, and to read them as one class would "
    "be an invention.",
)


def write_page(
    table: pd.DataFrame, plan: Plan, notes: Sequence[Note], command: str, page: Path
) -> None:
    """Write the page, the long table beside it and, in a folder of pages, the index.

    Args:
        table: Of `benchmarks.people.results.gather`.
        plan: What was measured.
        notes: What was skipped, and why.
        command: How it was called.
        page: Path of the Markdown file.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(page.with_suffix(".parquet"), index=False)
    text = "\n\n".join([_head(plan, command), summary(table), _skipped(notes)]).rstrip() + "\n"
    write_text(page, text)
    if (page.parent / "index.md").is_file():
        write_index(page.parent)


def summary(table: pd.DataFrame) -> str:
    """All tables."""
    runs = wide(table)
    parts = ["## By group of sets"]
    for group, title in GROUPS.items():
        rows = runs[runs["group"] == group]
        if len(rows):
            parts += [f"### {title}", *_group(rows, group)]
    parts += ["## Every set: F1 with the own threshold", _every_set(runs)]
    return "\n\n".join([*parts, "## Where Chaffinch is not the best", _losses(runs)])


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """One row a run, one column a figure."""
    keys = ["group", "set", "method", "kind", "seed"]
    runs = table.pivot_table(index=keys, columns="metric", values="value", sort=False)
    runs = runs.reindex(columns=list(dict.fromkeys([*_known(), *runs.columns]))).reset_index()
    runs["rate_size"] = runs["rate_error"].abs()
    runs["fdr_met"] = (runs["fdr"] <= FDR_ALLOWED).where(runs["fdr"].notna()).astype(float)
    return runs


def _known() -> list[str]:
    """Figures that tables use, in case that nobody measured one of them."""
    return ["rate_error", "estimated_rate", *(n for n in _FIGURES if n not in _DERIVED)]


_DERIVED = ("gap_90", "rate_size", "fdr_met")


def _group(rows: pd.DataFrame, group: str) -> list[str]:
    """Methods that see the same beside one another, then those that are told more."""
    told = rows["kind"].isin(["told more", "scan"])
    parts: list[str] = []
    for part in (rows[~told], pd.concat([rows[rows["method"] == "chaffinch"], rows[told]])):
        if part["method"].nunique() > 1 or not parts:
            parts += [_table(part, group)]
    return parts


def _table(rows: pd.DataFrame, group: str) -> str:
    """Means over sets and seeds that all methods of the table share."""
    common = shared(rows)
    named = common.groupby("method", sort=False)
    if group == "clean":
        figures = named[[n for n in _CLEAN_HEADS if n != "worst"]].mean()
        figures.insert(1, "worst", named["flagged"].max())
        heads, best = _CLEAN_HEADS, _CLEAN
    else:
        figures = named[[n for n in _FIGURES if n != "gap_90"]].mean()
        figures.insert(3, "gap_90", named["gap"].quantile(0.9))
        heads, best = _FIGURES, _BEST
    figures = figures.dropna(axis=1, how="all")
    rivals = figures.drop(index="oracle", errors="ignore")
    lines = [table_line(["method", *(heads[str(name)] for name in figures)])]
    lines += [table_line(["---", *["--:"] * figures.shape[1]])]
    for method, row in figures.iterrows():
        top = {n for n in figures if n in best and row[n] == best[n](rivals[n].dropna())}
        cells = [_number(v, n in top and method != "oracle") for n, v in row.items()]
        lines.append(table_line([str(method), *cells]))
    return "\n".join([*lines, "", _below(rows, common)])


def shared(rows: pd.DataFrame) -> pd.DataFrame:
    """The runs of sets and seeds for which every method has one."""
    count = rows.groupby(["set", "seed"])["method"].transform("nunique")
    return rows[count == rows["method"].nunique()]


def _below(rows: pd.DataFrame, common: pd.DataFrame) -> str:
    sets, seeds = common["set"].nunique(), common["seed"].nunique()
    text = f"Mean over {sets} sets and {seeds} seeds."
    without = [name for name in rows["set"].unique() if name not in set(common["set"])]
    if without:
        text += f" Without {', '.join(without)}, which not every method can judge."
    return text


def _every_set(runs: pd.DataFrame) -> str:
    runs = runs[runs["group"] != "clean"]
    means = runs.pivot_table(index="set", columns="method", values="f1", sort=False)
    rates = runs.groupby("set", sort=False)["true_rate"].mean()
    plain = _rivals(runs)
    lines = [table_line(["set", "wrong", *means.columns])]
    lines += [table_line(["---", *["--:"] * (means.shape[1] + 1)])]
    for name, row in means.iterrows():
        top = row[[m for m in means.columns if m in plain]].max()
        cells = [_number(value, m in plain and value == top) for m, value in row.items()]
        lines.append(table_line([str(name), _number(rates[str(name)], False), *cells]))
    note = "Best in **bold** among the methods that see labels and evidence and nothing else."
    return "\n".join([*lines, "", note])


def _rivals(runs: pd.DataFrame) -> list[str]:
    return runs.loc[runs["kind"] == "plain", "method"].unique().tolist()


def _losses(runs: pd.DataFrame) -> str:
    """One line for each set on which another method has the better F1."""
    lines = []
    for name, rows in runs[runs["method"].isin(_rivals(runs))].groupby("set", sort=False):
        f1 = rows.pivot_table(index="seed", columns="method", values="f1")
        if "chaffinch" not in f1 or f1.shape[1] < 2:
            continue
        best = f1.drop(columns="chaffinch").mean().idxmax()
        pair = f1[["chaffinch", best]].dropna()
        ours, theirs = pair.mean()
        if theirs > ours:
            behind = int((pair[best] > pair["chaffinch"]).sum())
            lines.append(
                f"- **{name}**: `{best}` {theirs:.3f}, `chaffinch` {ours:.3f} "
                f"({behind} of {len(pair)} seeds)"
            )
    note = (
        "The best other method of each set, chosen in hindsight by its F1 with its own threshold.\n"
    )
    return "\n".join([note, *lines]) if lines else "On no set has another method the better F1."


def _head(plan: Plan, command: str) -> str:
    seeds = " ".join(map(str, plan.seeds))
    lines = [
        "# Labels that people got wrong, beside injected ones and none",
        "",
        "Mistakes that people make are not injected flips. How well are both found from the same "
        "evidence, how far is the own threshold from the best, and is the number of wrong labels "
        "known?",
        "",
        "```text",
        command,
        "```",
        "",
        f"Measured on {datetime.datetime.now(datetime.UTC):%Y-%m-%d} at commit {_commit()}: "
        f"{len(plan.sets)} sets, seeds {seeds}; injected and clean sets of "
        f"{plan.size.injected:,} samples, human ones of up to {plan.size.human:,}, and "
        f"{plan.size.clean:,} clean samples apart.",
        "",
        *(f"- {note}" for note in NOTES),
    ]
    return "\n".join(lines)


def _skipped(notes: Sequence[Note]) -> str:
    if not notes:
        return ""
    table = pd.DataFrame(notes, columns=["set", "method", "reason"])
    lines = [
        f"- {', '.join(f'`{m}`' for m in part['method'].unique())}: {reason} "
        f"({part['set'].nunique()} sets)"
        for reason, part in table.groupby("reason", sort=False)
    ]
    return "\n".join(["## Not measured", "", *lines])


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    place = Path(__file__).parent
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _number(value: float, bold: bool) -> str:
    if np.isnan(value):
        return "-"
    return f"**{value:.3f}**" if bold else f"{value:.3f}"
