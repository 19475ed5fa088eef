"""Labels that are numbers on a scale: errors told from noise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t
from sklearn.ensemble import HistGradientBoostingRegressor

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.kinds import Kind
from chaffinch.core.records import Axes, Records
from chaffinch.core.types import Codes, Floats
from chaffinch.pipeline.scan_input import ScanInput
from chaffinch.tasks.fold_task import FoldTask
from chaffinch.tasks.folds import HELD_OUT, Predict, predict_by_folds
from chaffinch.tasks.regression.mixture import Shares, tell_apart
from chaffinch.tasks.regression.scale import Scale
from chaffinch.tasks.regression.slip import SLIPS
from chaffinch.tasks.task import Judgement, Problem

WRONG_TARGET, UNIT_SLIP, CLEAN = "wrong_target", "unit_slip", "clean"
_INTERVAL = 0.9
_MEDIAN_OF_NORMAL = 0.6745
_LEAST_SPREAD = 1e-3


@final
class Regression(FoldTask):
    """A number for each sample, predicted together with the spread that is expected there.

    A target is suspicious where it lies far from its prediction by the spread of samples like it,
    not by that of all.
    """

    name: ClassVar[str] = "regression"
    noun: ClassVar[str] = "target"
    kinds: ClassVar[Mapping[str, Kind]] = {
        WRONG_TARGET: Kind(
            "Wrong target",
            "harmful",
            "lies far from what samples like it have, by the spread among them",
            "with a wrong target",
        ),
        UNIT_SLIP: Kind(
            "Slip of unit",
            "harmful",
            "fits its features in another unit, or with its point moved",
            "with a slip of unit",
        ),
        CLEAN: Kind("Clean", "keep", "nothing speaks against it", "clean"),
    }
    records: ClassVar[Mapping[str, Axes]] = {
        "held_out_center": ("N",),
        "held_out_log_spread": ("N",),
    }
    default_model: ClassVar[str] = "gradient boosted trees, of the median and of the spread"

    def recognises(self, given: ScanInput) -> bool:
        """Many different numbers, some with decimals or many that come only once."""
        plain = given.model is None and given.validation is None
        return plain and given.dataset.labels.is_measured

    def targets(self, data: Dataset) -> NDArray[Any]:
        """(N,) float64."""
        try:
            values = data.labels.values.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"numbers as labels of {data.source}", str(error), "Name another label column"
            ) from error
        if not np.isfinite(values).all() or len(np.unique(values)) < 2:
            raise InputError(
                f"finite numbers that differ as labels of {data.source}",
                "infinite ones, or one number throughout",
                "Name another label column",
            )
        return values

    def fit(self, features: Floats, targets: NDArray[Any], seed: int) -> Predict:
        """Boosted trees of the median, which a few wrong targets do not draw."""
        model = HistGradientBoostingRegressor(
            loss="absolute_error", max_iter=200, early_stopping=False, random_state=seed
        ).fit(features, targets)
        return lambda rows: {"center": model.predict(rows)}

    def collect(
        self, features: Floats, targets: NDArray[Any], folds: Codes, seed: int, state: Path
    ) -> dict[str, NDArray[Any]]:
        """The median of each target, and the spread around it, both held out."""
        scale = Scale.of(targets)
        placed = scale.of_targets(targets)
        made = predict_by_folds(self.fit, features, placed, folds, seed, state / "center")
        distance = np.abs(placed - made[HELD_OUT + "center"])
        least = max(float(np.median(distance)) * _LEAST_SPREAD, np.finfo(np.float64).tiny)
        return made | predict_by_folds(
            _fit_spread, features, np.log(distance + least), folds, seed, state / "spread"
        )

    def judge(self, problem: Problem, records: Records) -> Judgement:
        """Weigh each target against its prediction, its prediction in other units, and chance."""
        targets = problem.targets
        scale = Scale.of(targets)
        center = records["held_out_center"]
        spread = np.exp(records["held_out_log_spread"]) / _MEDIAN_OF_NORMAL
        shares = tell_apart(targets, center, spread, scale, SLIPS)
        slipped = shares.slipped.sum(axis=1)
        slip = shares.slipped.argmax(axis=1)
        is_slip = slipped > shares.wrong
        undone = np.stack([one.undo(targets) for one in SLIPS])[slip, np.arange(len(targets))]
        reach = float(t.ppf(0.5 + _INTERVAL / 2, shares.degrees)) * shares.width * spread
        ends = scale.to_targets(center - reach), scale.to_targets(center + reach)
        suggested = np.where(is_slip, undone, scale.to_targets(center))
        return Judgement(
            kinds={WRONG_TARGET: shares.wrong, UNIT_SLIP: slipped, CLEAN: shares.right},
            suggested=suggested,
            confidence=np.where(is_slip, slipped / np.maximum(slipped + shares.wrong, 1e-300), 0.9),
            why=_sentences(targets, ends, is_slip, slip),
            scores={"residual": np.abs(scale.of_targets(targets) - center) / spread},
            interval=ends,
            details=_figures(targets, scale.to_targets(center), shares),
        )


def _fit_spread(features: Floats, targets: NDArray[Any], seed: int) -> Predict:
    model = HistGradientBoostingRegressor(
        loss="absolute_error",
        max_iter=100,
        max_leaf_nodes=15,
        early_stopping=False,
        random_state=seed,
    ).fit(features, targets)
    return lambda rows: {"log_spread": model.predict(rows)}


def _sentences(
    targets: Floats, ends: tuple[Floats, Floats], is_slip: NDArray[np.bool_], slip: Codes
) -> list[str]:
    told = []
    for row, (low, high) in enumerate(zip(*ends, strict=True)):
        expected = f"between {low:.4g} and {high:.4g}"
        if is_slip[row]:
            told.append(
                f"The target {targets[row]:.6g} seems {SLIPS[slip[row]].name}: samples like it "
                f"have one {expected}."
            )
        else:
            told.append(f"The target is {targets[row]:.6g}; samples like it have one {expected}.")
    return told


def _figures(targets: Floats, predicted: Floats, shares: Shares) -> dict[str, Any]:
    """How well the models predict, and which slips there are."""
    error = np.abs(targets - predicted)
    counts = shares.slipped.sum(axis=0)
    return {
        "held_out_median_error": float(f"{np.median(error):.6g}"),
        "held_out_mean_error": float(f"{error.mean():.6g}"),
        "slips": {
            one.name: round(float(count), 1)
            for one, count in zip(SLIPS, counts, strict=True)
            if count >= 0.5
        },
    }
