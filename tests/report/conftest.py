"""Synthetic run folders: every modality, few and many classes, nothing flagged, hostile text."""

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from chaffinch.core.explanation import Explanation
from chaffinch.core.kinds import KINDS
from chaffinch.store.run import (
    EXPLANATIONS,
    FINDINGS,
    GALLERY,
    RECORD,
    DataRecord,
    JudgementRecord,
    ModelRecord,
    RunFolder,
    RunRecord,
)

HOSTILE = (
    "<script>alert('x')</script><img src=http://evil.test/x onerror=alert(1)>\"'&\x1b[31m\u202e"
)
NAMES = (
    *("finch", "wren", "robin", "blackbird", "goldcrest", "siskin", "linnet", "nuthatch"),
    *("dunnock", "bullfinch"),
)
EPOCHS = 20
SCORERS = {
    "self_influence": 1.0,
    "aum": 0.8,
    "confident_learning": 1.2,
    "knn": 0.5,
    "loss": 0.9,
    "isolation_forest": -0.1,
}
SENTENCES = (
    "The plot is thin, but two fine actors carry it to the end and beyond.",
    "I wanted to like this. I really did. An hour in I was counting ceiling tiles.",
    "Arrived late, box dented, works as described; would order again without a second thought.",
    "A masterclass in tension: the last twenty minutes are the best of the decade.",
)

DETAILS = {
    "rates": [
        {"of": "all", "name": "all", "rate": 0.081, "low": 0.066, "high": 0.098},
        {"of": "kind", "name": "mislabelled", "rate": 0.058, "low": 0.047, "high": 0.071},
        {"of": "kind", "name": "far_cluster", "rate": 0.012, "low": 0.009, "high": 0.016},
        {"of": "kind", "name": "outlier", "rate": 0.009, "low": 0.0, "high": 0.019},
        {"of": "kind", "name": "near_cluster", "rate": 0.03, "low": 0.02, "high": 0.041},
        {"of": "class", "name": "finch", "rate": 0.08, "low": 0.03, "high": 0.13},
    ],
    "canaries": {
        "mislabelled": {"count": 27, "found": 0.926, "named": 0.889},
        "far_cluster": {"count": 27, "found": 1.0, "named": 0.963},
        "near_duplicate": {"count": 18, "found": 1.0, "named": 1.0},
    },
}


@dataclass(frozen=True)
class Recipe:
    """What a synthetic run looks like."""

    modality: str = "table"
    classes: int = 10
    samples: int = 900
    rate: float = 0.08
    shown: int = 24
    labels: str = "str"
    hostile: bool = False
    demo: bool = False
    extras: bool = True
    kinds: bool = False
    seed: int = 0


def build(folder: Path, recipe: Recipe) -> RunFolder:
    rng = np.random.default_rng(recipe.seed)
    classes = _classes(recipe)
    findings, given, right = _findings(recipe, classes, rng)
    flow = np.zeros((len(classes), len(classes)))
    np.add.at(flow, (given, right), 1.0)
    record = _record(recipe, classes, findings, np.round(flow * 0.97 + 0.02, 3))
    order = np.argsort(-findings["suspicion"].to_numpy(), kind="stable")[: recipe.shown]
    if recipe.kinds:
        kept = np.flatnonzero(findings["kind"].isin(["near_cluster", "hard"]))
        order = np.concatenate([order, kept[~np.isin(kept, order)][:8]])
    gallery = [
        {
            "id": str(findings["id"].iloc[row]),
            "content": _content(recipe, int(right[row]), np.random.default_rng(int(row))),
        }
        for row in order
    ]
    folder.mkdir(parents=True)
    findings.to_parquet(folder / FINDINGS)
    if recipe.kinds:
        told = [_explanation(row) for row in findings.iloc[order].to_dict("records")]
        (folder / EXPLANATIONS).write_text(json.dumps(told), "utf-8")
    (folder / GALLERY).write_text(json.dumps(gallery), "utf-8")
    (folder / RECORD).write_text(record.model_dump_json(indent=2), "utf-8")
    return RunFolder(folder)


def _classes(recipe: Recipe) -> list[Any]:
    if recipe.labels == "bool":
        return [False, True]
    if recipe.labels == "int":
        return list(range(recipe.classes))
    names = [
        NAMES[code] if code < len(NAMES) else f"{NAMES[code % len(NAMES)]} {code // len(NAMES) + 1}"
        for code in range(recipe.classes)
    ]
    return [HOSTILE, *names[1:]] if recipe.hostile else names


def _findings(
    recipe: Recipe, classes: list[Any], rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    size = recipe.samples
    right = rng.integers(len(classes), size=size)
    wrong = rng.random(size) < recipe.rate
    step = np.minimum(
        rng.integers(1, max(2, len(classes)), size=size), 1 + rng.integers(3, size=size)
    )
    given = np.where(wrong, (right + step) % len(classes), right)
    suspicion = np.where(wrong, rng.beta(14, 2, size), rng.beta(1.3, 9, size))
    flagged = suspicion > 0.62
    order = np.argsort(-suspicion, kind="stable")
    q = np.empty(size)
    q[order] = np.cumsum(~wrong[order] * 0.9 + 0.004) / np.arange(1, size + 1)
    q[order] = np.maximum.accumulate(q[order])
    likelier = (suspicion > 0.35) & (given != right)
    suggested = pd.Series(
        [classes[code] if known else None for code, known in zip(right, likelier, strict=True)]
    )
    table = pd.DataFrame(
        {
            "id": [f"{value:016x}" for value in rng.integers(2**62, size=size)],
            "given_label": [classes[code] for code in given],
            "suspicion": suspicion,
            "flagged": flagged,
            "kind": pd.Series([None] * size, dtype=object),
            "kind_probability": np.full(size, np.nan),
            "suggested_label": suggested,
            "suggestion_confidence": np.where(likelier, np.clip(suspicion + 0.05, 0, 1), np.nan),
            "q_value": np.minimum(q, 1.0),
        }
    )
    if recipe.kinds:
        _sort_out(table, recipe, rng)
    for name, weight in SCORERS.items():
        noise = rng.normal(size=size) * (1.2 - abs(weight) * 0.8)
        table[name] = np.exp(weight * 3 * suspicion + noise)
    return table, given, right


def _sort_out(table: pd.DataFrame, recipe: Recipe, rng: np.random.Generator) -> None:
    """Give the samples kinds, sentences and stabilities, as a scan does."""
    size, flagged = len(table), table["flagged"].to_numpy()
    harmful = rng.choice(
        ["mislabelled", "far_cluster", "outlier", "conflicting_duplicate"],
        size,
        p=[0.7, 0.15, 0.1, 0.05],
    )
    harmless = rng.choice(
        ["clean", "hard", "near_cluster", "near_duplicate", "ambiguous"],
        size,
        p=[0.9, 0.03, 0.03, 0.03, 0.01],
    )
    table["kind"] = np.where(flagged, harmful, harmless)
    table["kind_probability"] = np.where(flagged, table["suspicion"], rng.uniform(0.4, 1, size))
    for kind in KINDS:
        table[f"p_{kind}"] = np.where(table["kind"] == kind, table["kind_probability"], 0.01)
    table["stability"] = np.round(table["suspicion"], 3)
    said = (
        HOSTILE
        if recipe.hostile
        else (
            "all 10 of its nearest neighbours are robin, models that never saw it say robin "
            "(98%) and its loss stayed 12 times the median of its class"
        )
    )
    table["why"] = np.where(
        table["kind"] == "clean",
        "",
        "Labelled " + table["given_label"].astype(str) + ", but " + said + ".",
    )


def _explanation(row: dict[str, Any]) -> dict[str, Any]:
    course = np.arange(EPOCHS) / EPOCHS
    return Explanation(
        id=str(row["id"]),
        given_label=str(row["given_label"]),
        kind=str(row["kind"]),
        suspicion=float(row["suspicion"]),
        why=str(row["why"]),
        loss=tuple(2.5 + 2 * np.sin(6 * course + row["suspicion"])),
        class_loss=tuple(2.3 * np.exp(-6 * course)),
        stability=float(row["stability"]),
    ).to_dict()


def _record(
    recipe: Recipe, classes: list[Any], findings: pd.DataFrame, flow: np.ndarray
) -> RunRecord:
    counts = findings["given_label"].value_counts()
    flagged = int(findings["flagged"].sum())
    notes = ["Validation data were not given, so influence on validation was left out."]
    return RunRecord(
        chaffinch="0.1.0",
        created="2025-05-03T12:30:00+00:00",
        data=DataRecord(
            source=HOSTILE if recipe.hostile else "birds/train.parquet",
            fingerprint="5f0c1d2e3b4a59687766554433221100",
            modality=recipe.modality,
            samples=recipe.samples,
            classes=[str(name) for name in classes],
            class_counts=[int(counts.get(name, 0)) for name in classes],
            validation_samples=200 if recipe.extras else 0,
        ),
        model=_model(recipe),
        judgement=JudgementRecord(
            flagged=flagged,
            estimated_errors=recipe.rate * recipe.samples * 1.08,
            flow=flow.tolist() if recipe.extras else None,
            scorers=list(SCORERS),
            notes=[HOSTILE] if recipe.hostile else notes,
            details={"calibration_error": 0.0312} | (DETAILS if recipe.kinds else {}),
        ),
        configuration={
            "folds": 5,
            "scorers": list(SCORERS),
            "training": {"epochs": EPOCHS, "lr": 1e-3},
        },
        seed=7,
        device="cpu",
        versions={"python": "3.11.9", "torch": "2.6.0", "numpy": "2.1.0"},
        timings={"load": 0.41, "train": 63.2, "score": 5.7, "judge": 1.02},
        demo={"injected": 70, "found": 64, "precision": 0.928, "recall": 0.914}
        if recipe.demo
        else None,
    )


def _model(recipe: Recipe) -> ModelRecord:
    climb = 1 - np.exp(-np.arange(1, EPOCHS + 1) / 4)
    return ModelRecord(
        name="two-layer network on encoded rows",
        parameters=48_210,
        epochs=EPOCHS,
        training_accuracy=list(0.35 + 0.62 * climb),
        held_out_accuracy=list(0.33 + 0.52 * climb) if recipe.extras else [],
        validation_accuracy=0.9135 if recipe.extras else None,
    )


def _content(recipe: Recipe, right: int, rng: np.random.Generator) -> dict[str, Any]:
    if recipe.modality == "text":
        words = " ".join(rng.permutation(SENTENCES)[: rng.integers(1, 4)])
        return {"text": f"{words} {HOSTILE}" if recipe.hostile else words * int(rng.integers(1, 7))}
    if recipe.modality == "image":
        return {"image": _picture(right, rng)}
    row = {
        "wing_mm": round(float(rng.normal(80, 9)), 1),
        "mass_g": round(float(rng.normal(21, 4)), 2),
        "age": int(rng.integers(1, 9)),
        "habitat": str(rng.choice(["hedgerow", "mixed woodland, older than a century", "garden"])),
        "ringed": bool(rng.integers(2)),
        "tail_mm": None if rng.random() < 0.2 else round(float(rng.normal(65, 5)), 1),
    }
    return {**row, HOSTILE: HOSTILE} if recipe.hostile else row


def _picture(right: int, rng: np.random.Generator) -> str:
    image = Image.fromarray(rng.integers(190, 235, size=(32, 32, 3), dtype=np.uint8))
    draw = ImageDraw.Draw(image)
    x, y = rng.integers(4, 9, size=2).tolist()
    colour = tuple(rng.integers(30, 170, size=3).tolist())
    draw.regular_polygon((16, 16, 13 - x // 2), 3 + right, rotation=y * 9, fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """Build a run folder from the fields of a `Recipe`."""

    def make(name: str = "run", **fields: Any) -> RunFolder:
        return build(tmp_path / name, Recipe(**fields))

    return make


@pytest.fixture
def hostile() -> str:
    """A string that would run a script, call out and colour a terminal if it were let through."""
    return HOSTILE
