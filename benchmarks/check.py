"""What `chaffinch check` finds of planted faults, how much else it flags, and how long it takes.

    python -m benchmarks.check [images] [adult] [--seed 0]

Exit status 1 where a planted fault is missed, or more than 1 % of the other samples are flagged by
what is no fact about them: CIFAR-10 has gray pictures and copies of its own, the census has copies.
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

import chaffinch as cf
from benchmarks.data.place import data_folder as folder
from chaffinch.checks import CheckResult

EACH = 5
MOST_OTHERS = 0.01

Pixels = np.ndarray
Spoil = Callable[[Pixels, np.random.Generator], Image.Image]

FAULTS: dict[str, Spoil] = {
    "dark": lambda pixels, _: Image.fromarray((pixels * 0.08).astype(np.uint8)),
    "light": lambda pixels, _: Image.fromarray((255 - (255 - pixels) * 0.04).astype(np.uint8)),
    "blurry": lambda pixels, _: Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(3)),
    "odd_size": lambda pixels, random: Image.fromarray(pixels).resize(
        (int(random.integers(80, 200)),) * 2
    ),
    "odd_aspect_ratio": lambda pixels, _: Image.fromarray(pixels).resize((96, 24)),
    "low_information": lambda pixels, random: Image.new(
        "RGB", pixels.shape[1::-1], tuple(random.integers(40, 220, 3).tolist())
    ),
    "grayscale": lambda pixels, _: Image.fromarray(pixels).convert("L").convert("RGB"),
}
COPIES = ("exact_duplicates", "near_duplicates", "conflicting_duplicates")
"""Kinds that are planted as a copy of another image; one is also among the kinds of `FAULTS`."""


def images(root: Path, seed: int) -> dict[str, set[int]]:
    """Write the 16,000 images of CIFAR-10N as a folder with 55 planted faults of eleven kinds.

    Returns:
        Numbers of the images of each kind; of copies both.
    """
    place = folder()
    if place is None:
        raise SystemExit("no real data: set CHAFFINCH_DATA to their folder")
    archive = np.load(place / "cifar10n_16k.npz")
    pixels, classes = archive["x_train"], archive["y_clean"]
    random = np.random.default_rng(seed)
    rows = iter(random.permutation(len(pixels)).tolist())
    truth: dict[str, set[int]] = {kind: set() for kind in (*FAULTS, *COPIES, "unreadable")}
    files: dict[int, tuple[int, bytes]] = {}
    for kind, members in truth.items():
        for _ in range(EACH):
            row = next(rows)
            members.add(row)
            label, content = int(classes[row]), _png(Image.fromarray(pixels[row]))
            if kind in FAULTS:
                content = _png(FAULTS[kind](pixels[row], random))
            elif kind in COPIES:
                other = next(rows)
                members.add(other)
                label = int(classes[other]) if kind != COPIES[2] else (int(classes[other]) + 1) % 10
                content = _png(_copy(pixels[other], kind, random))
            else:
                content = content[: len(content) // 2]
            files[row] = label, content
    for row, image in enumerate(pixels):
        label, content = files.get(row) or (int(classes[row]), _png(Image.fromarray(image)))
        path = root / f"c{label}" / f"{row:05d}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return truth


def adult(seed: int) -> tuple[pd.DataFrame, dict[str, set[int]]]:
    """The census table with eight planted kinds: rows of kinds of samples, none for others."""
    place = folder()
    if place is None:
        raise SystemExit("no real data: set CHAFFINCH_DATA to their folder")
    random = np.random.default_rng(seed)
    frame = pd.read_parquet(place / "adult.parquet")
    count = len(frame)
    rich = (frame["income"] == ">50K").to_numpy()
    frame["key"] = [f"C{number:06d}" for number in random.permutation(count)]
    frame["tax"] = np.where(rich, random.normal(9000, 900, count), random.normal(2000, 600, count))
    frame["version"] = 3
    frame["country_code"] = pd.factorize(frame["country"])[0]
    frame["mail"] = [f"user{number}@example.org" for number in random.permutation(count)]
    frame["rating"] = random.normal(size=count)
    frame.loc[rich & (random.random(count) < 0.5), "rating"] = np.nan
    rows = random.permutation(count)
    frame.loc[rows[:10], "hours"] = random.integers(4000, 9000, 10)
    frame.loc[rows[10:40], "income"] += " "
    source = np.arange(count)
    source[rows[40:60]] = rows[60:80]
    frame = frame.iloc[source].reset_index(drop=True)
    truth: dict[str, set[int]] = {
        kind: set()
        for kind in (
            *("identifiers", "label_leakage", "constant_columns", "duplicate_columns"),
            *("missing_by_class", "label_variants", "pii"),
        )
    }
    truth["extreme_values"] = set(rows[:10].tolist())
    truth["exact_duplicates"] = set(rows[40:80].tolist())
    return frame, truth


def missed(found: CheckResult, truth: dict[str, set[int]], numbers: np.ndarray) -> dict[str, int]:
    """By kind, how many planted samples are not flagged; 1 for a kind of columns not found.

    Args:
        found: What was found.
        truth: Numbers of the planted samples by kind.
        numbers: (N,) number of the sample in each row of the table.
    """
    lost = {}
    for kind, members in truth.items():
        if members:
            flagged = set(numbers[found.table[f"check_{kind}"].to_numpy()].tolist())
            lost[kind] = len(members - flagged)
        else:
            lost[kind] = int(kind not in set(found.issues["issue"]))
    return lost


def others(found: CheckResult, truth: dict[str, set[int]], numbers: np.ndarray) -> pd.Series:
    """Share of the samples that are not planted flagged by each check, and by "any"."""
    planted = set().union(*truth.values())
    rest = found.table[[number not in planted for number in numbers.tolist()]]
    flags = [
        name
        for name in map(str, rest)
        if name.startswith("check_") and not name.endswith(("_score", "_group"))
    ]
    shares = rest[flags].mean()
    shares["any"] = rest[flags].any(axis=1).mean()
    return shares[shares > 0]


def measure_images(seed: int) -> tuple[dict[str, int], pd.Series, float]:
    """Planted images missed, others flagged, and the seconds that it took."""
    with tempfile.TemporaryDirectory() as place:
        truth = images(Path(place), seed)
        start = time.perf_counter()
        found = cf.check(place, seed=seed)
        spent = time.perf_counter() - start
    numbers = np.asarray([int(Path(source).stem) for source in found.table["source"]])
    return missed(found, truth, numbers), others(found, truth, numbers), spent


def measure_adult(seed: int) -> tuple[dict[str, int], pd.Series, float]:
    """Planted kinds missed, other rows flagged, and the seconds that it took."""
    frame, truth = adult(seed)
    start = time.perf_counter()
    found = cf.check(frame, "income", seed=seed)
    spent = time.perf_counter() - start
    numbers = found.table["row"].to_numpy()
    return missed(found, truth, numbers), others(found, truth, numbers), spent


def _copy(pixels: Pixels, kind: str, random: np.random.Generator) -> Image.Image:
    if kind == "near_duplicates":
        noise = random.normal(0, 3, pixels.shape)
        pixels = np.clip(pixels * 1.03 + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


OWN = {"images": ("check_grayscale", "check_near_duplicates"), "adult": ("check_exact_duplicates",)}
"""Checks whose flags on samples that are not planted are facts about these sets."""

MEASURES = {"images": measure_images, "adult": measure_adult}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failed = False
    for name in options.data or MEASURES:
        lost, other, spent = MEASURES[name](options.seed)
        print(f"{name}, seed {options.seed}: {spent:.1f} s")
        print("  planted and missed:", lost)
        print("  others flagged:", {key: f"{share:.2%}" for key, share in other.items()})
        false = other.drop([*OWN[name], "any"], errors="ignore").sum()
        failed |= any(lost.values()) or bool(false > MOST_OTHERS)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
