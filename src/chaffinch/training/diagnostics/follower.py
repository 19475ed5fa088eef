"""The follower: turns the record of each epoch into a snapshot, with a little memory a sample."""

from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.training.diagnostics.calibration import expected_calibration_error
from chaffinch.training.diagnostics.concentration import concentrate
from chaffinch.training.diagnostics.disturbance import pulls_hard
from chaffinch.training.diagnostics.noise import LabelNoise, compare_noise, estimate_noise
from chaffinch.training.diagnostics.quality import GroupQuality, compare_groups
from chaffinch.training.diagnostics.snapshot import (
    Disturbance,
    Point,
    Snapshot,
    Spread,
    Validation,
)
from chaffinch.training.diagnostics.surest import missed_when_sure
from chaffinch.training.diagnostics.suspected import Side, choose_suspected, sum_up
from chaffinch.training.watching.observer import EpochRecord

MOST_LOGITS = 4096
"""Samples that the label noise is estimated from; more would take time and change little."""
STREAK = 3
"""Epochs in a row from which on a sample counts as disturbing."""
_KEPT = 5
_RECENT = 3
_LATEST = 2
"""Samples are set aside after the third epoch at the latest."""
_BINS = 36
_LOWEST = 1e-12

Sample = tuple[Floats, Codes, NDArray[np.int64]]
"""Outputs, labels and ids of some samples."""


def noise_found(recent: Sequence[LabelNoise | None], epoch: int) -> bool:
    """Whether the estimates stand out from what clean data show in their first epochs.

    A model may still be wrong in ways that its answers do not show, so that in one of its first
    epochs some clean labels seem wrong; where labels are wrong, they seem so in every epoch.

    Args:
        recent: Estimates of the latest epochs, the latest last; of three at most, and none of the
            first epoch.
        epoch: The latest, from 0.
    """
    now = recent[-1] if recent else None
    if now is None or epoch < 1:
        return False
    rate, evidence = (0.12, 16.0) if epoch == 1 else (0.06, 9.0)
    if now.rate >= rate and now.evidence >= evidence:
        return True
    again = [one for one in recent if one is not None and one.rate >= 0.04]
    return len(again) >= _RECENT and sum(one.evidence for one in again) >= 7.5


class Follower:
    """Follows N samples through the epochs in fixed memory (24 bytes a sample).

    Args:
        names: (C,) of the classes; their codes where left out.
    """

    def __init__(self, names: list[str] | None = None) -> None:
        self._names = names
        self._loss = np.zeros(0)
        self._times = np.zeros(0, dtype=np.int32)
        self._streak = np.zeros(0, dtype=np.int16)
        self._suspected: Mask | None = None
        self._set_aside: int | None = None
        self._by_noise = False
        self._recent: list[LabelNoise] = []
        self._early: list[tuple[int, Floats, Floats]] = []
        self._curve: list[Point] = []

    def follow(self, record: EpochRecord) -> Snapshot:
        """Look at one epoch; epochs come in order, each once."""
        values, seen = record.values, record.seen
        loss = -np.log(np.maximum(values["probability"], _LOWEST))
        margin, entropy = values["margin"], values["entropy"]
        finite = seen & np.isfinite(loss)
        self._add(loss, finite)
        sample = self._sample(record)
        noise = None if sample is None else estimate_noise(*sample[:2])
        if noise is not None and record.epoch:
            self._recent = [*self._recent[1 - _RECENT :], noise]
        noisy = noise is not None and noise_found(self._recent, record.epoch)
        self._choose(record.epoch, (loss, margin), noise if noisy else None)
        by_name = {"loss": loss, "margin": margin, "entropy": entropy}
        norms = values.get("gradient_norm")

        def quality(groups: NDArray[Any]) -> tuple[GroupQuality, ...]:
            found = compare_groups(groups, by_name, record.num_classes)
            return _with_noise(found, groups, sample, noise)

        return Snapshot(
            record.epoch,
            len(seen),
            int(seen.sum()),
            int((record.labels < 0).sum()),
            _mean(loss[finite]),
            _mean(margin[finite] >= 0),
            record.broken + int((seen & ~np.isfinite(values["margin"])).sum()),
            record.seconds,
            record.rate,
            _calibration(record),
            noise,
            noisy,
            missed_when_sure(margin, entropy, record.num_classes),
            self._set_aside,
            tuple(self._curve),
            self._spread(margin),
            None if norms is None else concentrate(norms),
            self._disturbance(values.get("influence")),
            quality(self._class_names(record)),
            () if record.groups is None else quality(np.asarray(record.groups)),
            _validation(record),
        )

    def _add(self, loss: Floats, finite: Mask) -> None:
        """Add up the losses of the samples that came."""
        if not len(self._loss):
            size = len(loss)
            self._loss, self._times = np.zeros(size), np.zeros(size, dtype=np.int32)
            self._streak = np.zeros(size, dtype=np.int16)
        self._loss[finite] += loss[finite]
        self._times[finite] += 1

    def _sample(self, record: EpochRecord) -> Sample | None:
        """Outputs, labels and ids of some samples, the same in every epoch."""
        logits, ids = record.logits, getattr(record, "logit_ids", None)
        if logits is None:
            return None
        ids = np.arange(len(logits)) if ids is None else ids
        if len(logits) > MOST_LOGITS:
            chosen = stream(0, "label noise").choice(len(logits), MOST_LOGITS, replace=False)
            rows = np.sort(chosen)
            logits, ids = logits[rows], ids[rows]
        return logits, record.labels[ids], ids

    def _choose(self, epoch: int, now: tuple[Floats, Floats], noise: LabelNoise | None) -> None:
        """Set samples aside when it is time, and add the epoch to the curves of both sides."""
        found = noise is not None and not self._by_noise
        choosing = found or (self._suspected is None and epoch >= _LATEST)
        if not self._by_noise:
            kept = (epoch, now[0].astype(np.float16), now[1].astype(np.float16))
            self._early = [*self._early[1 - _KEPT :], kept]
        if choosing:
            mean = np.where(self._times > 0, self._loss / np.maximum(self._times, 1), np.nan)
            rate = noise.rate if found and noise is not None else 0.0
            self._suspected = choose_suspected(mean, rate)
            self._set_aside, self._by_noise = epoch, found
            self._curve = [self._point(*kept) for kept in self._early]
        elif self._suspected is not None:
            self._curve.append(self._point(epoch, *now))
        if self._by_noise:
            self._early = []

    def _point(self, epoch: int, loss: Floats, margin: Floats) -> Point:
        mask = self._suspected if self._suspected is not None else np.zeros(len(loss), np.bool_)
        return Point(epoch, sum_up(loss, margin, mask), sum_up(loss, margin, ~mask))

    def _spread(self, margin: Floats) -> Spread | None:
        known = np.isfinite(margin)
        if self._suspected is None or not known.any():
            return None
        low, high = np.quantile(margin[known], [0.005, 0.995])
        edges = np.linspace(min(low, -1.0), max(high, 1.0), _BINS + 1)
        inside = np.clip(margin, edges[0], edges[-1])
        sides = (known & self._suspected, known & ~self._suspected)
        counts = [np.histogram(inside[side], edges)[0].astype(np.int64) for side in sides]
        return Spread(edges, *counts)

    def _disturbance(self, influence: Floats | None) -> Disturbance | None:
        if influence is None or not np.isfinite(influence).any():
            return None
        marked = pulls_hard(influence)
        # A sample that did not come, or was not looked at, keeps its streak.
        known = np.isfinite(influence)
        self._streak = np.where(known, np.where(marked, self._streak + 1, 0), self._streak)
        again = np.flatnonzero(self._streak >= STREAK)
        against = np.where(known, np.minimum(influence, 0), 0)
        total = float(against.sum())
        pull = float(against[again].sum()) / total if total else 0.0
        order = again[np.argsort(-self._streak[again], kind="stable")]
        return Disturbance(order[:1000], len(again), pull)

    def _class_names(self, record: EpochRecord) -> NDArray[Any]:
        """(N,) name of the class of each sample."""
        names = np.asarray(self._names or [str(code) for code in range(record.num_classes)])
        return np.asarray(names[np.maximum(record.labels, 0)])

    def state_dict(self) -> dict[str, Any]:
        """What is remembered of the samples, for a training that goes on later."""
        arrays: dict[str, NDArray[Any]] = {
            "loss": self._loss,
            "times": self._times,
            "streak": self._streak,
        }
        if self._suspected is not None:
            arrays["suspected"] = self._suspected
        tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        plain = {
            "set_aside": self._set_aside,
            "by_noise": self._by_noise,
            "recent": [list(astuple(one)) for one in self._recent],
            "curve": [_flat(point) for point in self._curve],
        }
        early = [(epoch, *map(torch.from_numpy, pair)) for epoch, *pair in self._early]
        return {**tensors, **plain, "early": early}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._loss, self._times, self._streak = (
            state[name].numpy().copy() for name in ("loss", "times", "streak")
        )
        suspected = state.get("suspected")
        self._suspected = None if suspected is None else suspected.numpy().copy()
        self._set_aside, self._by_noise = state["set_aside"], state["by_noise"]
        self._recent = [LabelNoise(*row) for row in state["recent"]]
        self._curve = [_unflat(row) for row in state["curve"]]
        self._early = [(epoch, a.numpy(), b.numpy()) for epoch, a, b in state["early"]]


def _with_noise(
    found: tuple[GroupQuality, ...],
    groups: NDArray[Any],
    sample: Sample | None,
    noise: LabelNoise | None,
) -> tuple[GroupQuality, ...]:
    """The groups, each with the label noise of its part of the sample."""
    if sample is None or noise is None or not found:
        return found
    gaps = compare_noise(*sample[:2], groups[sample[2]], noise.sharpness)
    return tuple(replace(one, noise=gaps.get(one.name)) for one in found)


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _flat(point: Point) -> list[float]:
    sides = (point.suspected, point.trusted)
    return [point.epoch, *(value for s in sides for value in (s.count, s.loss, s.met))]


def _unflat(row: list[float]) -> Point:
    epoch, *rest = row
    return Point(int(epoch), Side(int(rest[0]), *rest[1:3]), Side(int(rest[3]), *rest[4:6]))


def _calibration(record: EpochRecord) -> float | None:
    """On training samples, where the greatest probability is known."""
    confidence = record.values.get("confidence")
    if confidence is None:
        if record.logits is None or len(record.logits) != len(record.labels):
            return None
        confidence = 1 / np.exp(
            record.logits - record.logits.max(axis=1, keepdims=True), dtype=np.float32
        ).sum(axis=1)
    return expected_calibration_error(confidence, record.values["margin"] >= 0)


def _validation(record: EpochRecord) -> Validation | None:
    found = record.validation
    if found is None:
        return None
    logits = np.asarray(found.logits, dtype=np.float64)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidence = shifted.max(axis=1) / shifted.sum(axis=1)
    met = logits.argmax(axis=1) == found.labels
    error = expected_calibration_error(confidence, met)
    surplus = float(np.mean(confidence - met)) if len(met) else float("nan")
    return Validation(len(met), float(found.loss), _mean(met), error, surplus)
