import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import benchmarks
import chaffinch
from chaffinch.core.registry import Registry
from chaffinch.pipeline.options import ScanOptions


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with small data under the names that the documentation uses."""
    random = np.random.default_rng(0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    _write_table("train.csv", 120, random)
    _write_table("clean.csv", 30, random)
    words = {1: "dull and far too long", 5: "a joy from start to end"}
    rows = [(f"{words[stars]}, number {n}", stars) for n in range(30) for stars in words]
    pd.DataFrame(rows, columns=["review", "stars"]).to_csv("reviews.csv", index=False)
    for folder, count in (("images", 12), ("checked-images", 4)):
        _write_images(tmp_path / folder, count, random)
    return tmp_path


@pytest.fixture
def short_training(monkeypatch):
    """Train for two epochs and two folds at most: the examples shall run, not find anything."""
    schedule, num_folds = ScanOptions.schedule, ScanOptions.num_folds

    def short_schedule(self, *args):
        full = schedule(self, *args)
        return replace(full, epochs=min(2, full.epochs))

    monkeypatch.setattr(ScanOptions, "schedule", short_schedule)
    monkeypatch.setattr(ScanOptions, "num_folds", lambda self, *a: min(2, num_folds(self, *a)))


@pytest.fixture
def own_registrations(monkeypatch):
    """Forget what the examples register once they are read: other tests count what there is.

    What the package or the benchmark registers meanwhile, because an example imports one of their
    modules for the first time, stays: that module will not run again.
    """
    add, added = Registry.add, []

    def note_add(self, name, item):
        registered = add(self, name, item)
        if _nearest_outsider(sys._getframe(1)) != "<frozen importlib._bootstrap>":
            added.append((self, name))
        return registered

    monkeypatch.setattr(Registry, "add", note_add)
    yield
    for registry, name in added:
        registry._items.pop(name, None)


def _nearest_outsider(frame):
    inside = tuple(str(Path(one.__file__).parent) for one in (chaffinch, benchmarks))
    while frame.f_code.co_filename.startswith(inside):
        frame = frame.f_back
    return frame.f_code.co_filename


def _write_table(name, count, random):
    codes = np.arange(count) % 3
    sizes = random.normal(size=(count, 3)) + codes[:, None]
    table = pd.DataFrame(sizes, columns=["height", "width", "weight"])
    table.insert(0, "name", [f"sample {row}" for row in range(count)])
    table["label"] = np.asarray(["lark", "robin", "wren"])[codes]
    table.to_csv(name, index=False)


def _write_images(folder, count, random):
    for name, least in (("cat", 0), ("dog", 128)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(least, least + 127, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
