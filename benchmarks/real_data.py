"""Real data for benchmarks and slow tests: looked up, never shipped."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def folder() -> Path | None:
    """``CHAFFINCH_DATA``, else ``../shared/data`` beside the checkout, else None."""
    named = os.environ.get("CHAFFINCH_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    place = Path(named) if named else beside
    return place if place.is_dir() else None


def load(name: str) -> tuple[Any, np.ndarray]:
    """Samples in a form that ``chaffinch.scan`` takes, and their labels."""
    if name == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        return (digits.images * (255 / 16)).round().astype(np.uint8), digits.target
    place = folder()
    if place is None:
        raise SystemExit(f"{name} needs real data: set CHAFFINCH_DATA to their folder")
    if name == "letter":
        table = pd.read_parquet(place / "mlbench_LetterRecognition.parquet")
        return table.drop(columns="lettr"), table["lettr"].astype(str).to_numpy()
    if name == "covertype":
        arrays = np.load(place / "covertype20k.npz")
        return arrays["x"].astype(np.float32), arrays["y"]
    if name in ("mnist", "fashion_mnist"):
        arrays = np.load(place / f"{name}.npz")
        return arrays["x_train"][:12000], arrays["y_train"][:12000].astype(np.int64)
    if name == "sst2":
        table = pd.read_parquet(place / "sst2_sentence.parquet")
        return table[["text"]], table["label"].to_numpy()
    if name == "subj":
        table = pd.read_parquet(place / "subj.parquet")
        return table[["text"]], table["label"].to_numpy()
    if name == "adult":
        table = pd.read_parquet(place / "adult.parquet")
        return table.drop(columns="income"), table["income"].astype(str).to_numpy()
    raise SystemExit(f"unknown data set {name!r}")
