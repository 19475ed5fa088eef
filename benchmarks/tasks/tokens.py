"""Errors of entities in WNUT 2017, against cleanlab's token classification where installed.

    python -m benchmarks.tasks.tokens [--seeds 5]

5 % of the entities get another type, 10 % lose their tags, 3 % begin or end one token off.
Both sides see the same held-out probabilities. ``types``: macro-F1 of the kind that is named for
each injected error, by the most probable verdict that overlaps it; an error without any verdict
is a miss.
"""

import argparse
import importlib.util
import time
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, f1_score

from benchmarks.data.place import need_file
from benchmarks.tasks.token_errors import RATES, Errors, injected
from chaffinch.tasks.tokens import TokenJudgement, held_out, judge_tokens


def measured(sentences: list[list[str]], tags: list[list[str]], seed: int) -> dict[str, Any]:
    """One row of the table."""
    given, errors = injected(tags, seed)
    classes = sorted({tag for one in given for tag in one})
    codes = [np.array([classes.index(tag) for tag in one]) for one in given]
    right = [np.array([classes.index(tag) for tag in one]) for one in tags]
    wrong = np.concatenate(codes) != np.concatenate(right)
    in_sentence = [bool((a != b).any()) for a, b in zip(codes, right, strict=True)]
    start = time.perf_counter()
    probabilities = held_out(sentences, np.concatenate(codes), len(classes), seed=seed)
    trained = time.perf_counter() - start
    start = time.perf_counter()
    found = judge_tokens(sentences, given, probabilities, classes)
    row = {
        "seed": seed,
        "tokens": average_precision_score(wrong, found.tokens),
        "sentences": average_precision_score(in_sentence, found.sentences),
        "types": _types(found, errors),
        "training s": trained,
        "judging s": time.perf_counter() - start,
    }
    if importlib.util.find_spec("cleanlab") is not None:
        rank = importlib.import_module("cleanlab.token_classification.rank")
        parts = np.split(probabilities, np.cumsum([len(one) for one in codes])[:-1])
        whole, each = rank.get_label_quality_scores([one.tolist() for one in codes], parts)
        quality = np.concatenate([np.asarray(one) for one in each])
        row["cleanlab, tokens"] = average_precision_score(wrong, 1 - quality)
        row["cleanlab, sentences"] = average_precision_score(in_sentence, 1 - whole)
        row["ratio"] = row["tokens"] / row["cleanlab, tokens"]
    return row


def _types(found: TokenJudgement, errors: Errors) -> float:
    named = []
    for sentence, span, _ in errors:
        near = [
            one
            for one in found.verdicts
            if one.sentence == sentence and one.extent[0] < span.end and one.extent[1] > span.start
        ]
        best = max(near, key=lambda one: one.probability, default=None)
        named.append("none" if best is None else best.kind)
    kinds = [kind for _, _, kind in errors]
    return float(f1_score(kinds, named, labels=list(RATES), average="macro", zero_division=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args()
    table = pd.read_parquet(need_file("wnut17_tokens.parquet"))
    sentences = [list(one) for one in table["tokens"]]
    tags = [list(one) for one in table["tags"]]
    rows = []
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        rows.append(measured(sentences, tags, seed))
        print(rows[-1], flush=True)
    print(pd.DataFrame(rows).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
