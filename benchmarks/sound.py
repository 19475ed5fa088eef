"""How well wrong labels of sounds and of time series are found.

    python -m benchmarks.sound [words] [series] [--samples 1500] [--seeds 0,1] [--rate 0.1]

``words`` are the ten digits spoken by espeak-ng (its program must be installed, or named by
CHAFFINCH_ESPEAK): 16 voices, speeds of 110 to 240 words a minute, pitches of 10 to 90, white noise
of 0 to 20 dB below the voice, at different places and levels. ``series`` are two made channels of
96 steps in four classes: a sine or a square wave, slow or fast, of random pace and phase under
noise, and a random walk that carries it or not. Labels are flipped to a uniformly drawn other
class.

Exit status 1 where an AUROC is below .97.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import wavfile
from sklearn.metrics import average_precision_score, roc_auc_score

import chaffinch as cf

WANTED = 0.97
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VOICES = (
    *("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-us+f1", "en-us+f2", "en-us+f3"),
    *("en-us+f4", "en-us+m1", "en-us+m2", "en-us+m3", "en-us+m5", "en-us+m7", "en-gb+f3"),
    *("en-gb+m4", "en-gb-x-gbclan+f2"),
)
STEPS = 96

Samples = tuple[Any, np.ndarray]
"""What `chaffinch.scan` takes as samples, and their right classes."""


def speaker() -> str | None:
    """The program espeak-ng; None where there is none."""
    return os.environ.get("CHAFFINCH_ESPEAK") or shutil.which("espeak-ng")


def words(count: int, folder: Path) -> Samples:
    """Write spoken digits as WAV files."""
    program = speaker()
    if program is None:
        raise SystemExit("no speech: install espeak-ng, or name it by CHAFFINCH_ESPEAK")

    def speak(number: int) -> Path:
        random, place = np.random.default_rng(number), folder / f"{number:05d}.wav"
        voice, word = VOICES[random.integers(len(VOICES))], WORDS[number % len(WORDS)]
        speed, pitch = str(random.integers(110, 240)), str(random.integers(10, 90))
        command = [program, "-w", str(place), "-v", voice, "-s", speed, "-p", pitch, word]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        rate, spoken = wavfile.read(place)
        wavfile.write(place, rate, _noisy(spoken.astype(np.float64), rate, random))
        return place

    with ThreadPoolExecutor() as pool:
        files = list(pool.map(speak, range(count)))
    return files, np.arange(count) % len(WORDS)


def _noisy(spoken: np.ndarray, rate: int, random: np.random.Generator) -> np.ndarray:
    """At a random place among a fifth of a second more, under noise, at a random level."""
    below = 10 ** (-random.uniform(0, 20) / 20)
    noise = random.standard_normal(len(spoken) + rate // 5)
    begin = random.integers(0, rate // 5)
    mixed = below * np.sqrt(np.mean(spoken**2)) * noise
    mixed[begin : begin + len(spoken)] += spoken
    mixed *= 32767 * random.uniform(0.1, 0.75) / np.abs(mixed).max()
    made: np.ndarray = np.rint(mixed).astype(np.int16)
    return made


def series(count: int, folder: Path) -> Samples:  # noqa: ARG001 - as `words`, which writes there
    """Make time series (N, 96, 2)."""
    random = np.random.default_rng(0)
    classes, made = random.integers(0, 4, count), []
    for kind in classes.tolist():
        pace = (0.05, 0.08)[kind % 2] * random.uniform(0.85, 1.15)
        wave = np.sin(2 * np.pi * pace * np.arange(STEPS) + random.uniform(0, 2 * np.pi))
        wave = 0.8 * np.sign(wave) if kind >= 2 else wave
        walk = np.cumsum(random.normal(0, 0.3, STEPS)) + wave * (kind % 2)
        made.append(np.stack([wave + random.normal(0, 0.6, STEPS), walk], axis=1))
    return np.stack(made), classes


SETS: dict[str, Callable[[int, Path], Samples]] = {"words": words, "series": series}


def measure(samples: Samples, rate: float, seed: int) -> dict[str, float]:
    """AUROC, average precision, precision and recall of the flags, and seconds of CPU time."""
    given, classes = samples
    labels, wrong = cf.corruptions.uniform_flips(classes, rate, seed=seed)
    begin = time.process_time()
    table = cf.scan((given, labels), seed=seed).table
    seconds = time.process_time() - begin
    suspicion, flagged = table["suspicion"].to_numpy(), table["flagged"].to_numpy(bool)
    return {
        "AUROC": float(roc_auc_score(wrong, suspicion)),
        "AP": float(average_precision_score(wrong, suspicion)),
        "precision": float(wrong[flagged].mean()) if flagged.any() else float("nan"),
        "recall": float(flagged[wrong].mean()),
        "seconds": seconds,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=" or ".join(SETS))
    parser.add_argument("--samples", type=int, default=1500)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--rate", type=float, default=0.1)
    given = parser.parse_args()
    if unknown := set(given.sets) - SETS.keys():
        parser.error(f"unknown sets: {', '.join(sorted(unknown))}")
    good = True
    for name in given.sets or SETS:
        with tempfile.TemporaryDirectory() as folder:
            samples = SETS[name](given.samples, Path(folder))
            for seed in map(int, given.seeds.split(",")):
                found = measure(samples, given.rate, seed)
                told = "  ".join(f"{key} {value:.4g}" for key, value in found.items())
                print(f"{name}  seed {seed}  {told}", flush=True)
                good = good and found["AUROC"] >= WANTED
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
