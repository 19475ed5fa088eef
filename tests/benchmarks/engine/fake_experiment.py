"""An experiment that trains nothing: its numbers follow from the cell and the method's name."""

import os
import time
import zlib
from pathlib import Path

from benchmarks.experiment import Measurement, experiment, failed

METHODS = ("chaffinch", "good", "oracle", "random")


def _expand(names):
    return list(METHODS) if "all" in names else list(names)


def value(cell, name):
    """A number in 0..1 of cell and method; `good` is always ahead of `chaffinch`."""
    noise = zlib.crc32(f"{cell.data} {cell.glitch} {cell.seed}".encode()) % 1000 / 10_000
    level = {"oracle": 0.9, "good": 0.7, "chaffinch": 0.6, "random": 0.3}.get(name, 0.5)
    return level + noise


@experiment("fake", version=3, expand=_expand)
def fake(cell, methods, folder):
    settings = cell.settings
    if "trace" in settings:
        with Path(settings["trace"]).open("a") as file:
            file.write(f"{cell.data} {cell.seed} {','.join(methods)}\n")
    seen = folder / "evidence.txt"
    seen.write_text(seen.read_text() + "x" if seen.is_file() else "x")
    trouble = settings.get("trouble") if cell.seed == settings.get("seed", cell.seed) else None
    marker = Path(settings["marker"]) if "marker" in settings else None
    if trouble and not (marker and marker.exists()):
        if trouble == "error":
            raise ValueError("the cat sat on the keyboard")
        if trouble == "death":
            os._exit(9)
        if trouble == "sleep":
            time.sleep(60)
    time.sleep(settings.get("seconds", {}).get(str(cell.seed), 0))
    for name in methods:
        if trouble == "method" and name == "good":
            yield failed(name, RuntimeError("no such luck"))
            continue
        yield Measurement(name, "auroc", value(cell, name))
        yield Measurement(name, "seconds", 10 * value(cell, name))
    for name in methods:  # comes back to a method
        for epoch in range(3):
            yield Measurement(name, "accuracy", value(cell, name) + epoch / 100, x=float(epoch))
        yield Measurement(name, "auroc", value(cell, name) / 2, group="rare")


def figure(path):
    path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>\n")
