"""Any detector of PyOD by name, on last-layer gradients: ``pyod:ECOD``, ``pyod:KNN``..."""

import inspect
import pkgutil
from importlib import import_module
from typing import Any

import numpy as np

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import SCORERS, Scorer
from chaffinch.core.types import Floats
from chaffinch.scorers.outliers.sketched_gradient import GRADIENT_NEEDS, sketched_gradients

PREFIX = "pyod:"


def scorer_named(name: str) -> Scorer:
    """The scorer of that name: a registered one, or ``pyod:`` and a detector of PyOD.

    Raises:
        InputError: No scorer or detector has that name.
        MissingExtraError: A detector is asked for and PyOD is not installed.
    """
    return pyod_scorer(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else SCORERS[name]


def pyod_scorer(detector: str) -> Scorer:
    """A scorer that fits a detector of PyOD, with its default settings, to the gradients.

    It is not registered: scans compute it only when it is named.

    Args:
        detector: Name of the class in ``pyod.models``, as ``ECOD``.

    Raises:
        InputError: PyOD has no detector of that name.
        MissingExtraError: PyOD is not installed.
    """
    kind = _detector_class(detector)

    def score(evidence: Evidence, seed: int) -> Floats:
        return detector_scores(kind, sketched_gradients(evidence, seed), seed)

    return Scorer(
        name=f"{PREFIX}{kind.__name__}",
        family="outliers",
        needs=GRADIENT_NEEDS,
        paper="Zhao et al., PyOD, JMLR 2019, and the paper of the detector",
        summary=f"PyOD's {kind.__name__} on the last-layer gradients, with its default settings",
        function=score,
    )


def detector_scores(kind: Any, rows: Floats, seed: int) -> Floats:
    """Fit a detector to (N, K) rows.

    Args:
        kind: A class of PyOD.
        rows: (N, K) samples.
        seed: Decides its random choices, where it has such.

    Returns:
        (N,) its scores of these rows, higher = more abnormal; 0 for fewer than two rows.
    """
    if len(rows) < 2:
        return np.zeros(len(rows))
    accepted = inspect.signature(kind).parameters
    settings: dict[str, int] = {"random_state": seed} if "random_state" in accepted else {}
    if "n_neighbors" in accepted:
        settings["n_neighbors"] = _neighbours(accepted["n_neighbors"].default, len(rows))
    detector = kind(**settings)
    detector.fit(np.asarray(rows, dtype=np.float64))
    scores: Floats = np.asarray(detector.decision_scores_, dtype=np.float64)
    return scores


def _neighbours(default: Any, count: int) -> int:
    """The default number of neighbours, or as many as a small set allows."""
    wanted = default if isinstance(default, int) else 10
    return max(1, min(wanted, count - 1))


def _detector_class(name: str) -> Any:
    """The class among the modules of PyOD, without importing more of them than one."""
    try:
        models = import_module("pyod.models")
        base = import_module("pyod.models.base")
    except ImportError as error:
        raise MissingExtraError("a detector of PyOD", "bench", "pyod") from error
    modules = {
        found.name.replace("_", ""): found.name for found in pkgutil.iter_modules(models.__path__)
    }
    module = modules.get(name.lower().replace("_", ""))
    if module is not None:
        loaded = import_module(f"pyod.models.{module}")
        for attribute, kind in vars(loaded).items():
            same = attribute.lower() == name.lower().replace("_", "")
            if same and inspect.isclass(kind) and issubclass(kind, base.BaseDetector):
                return kind
    raise InputError(
        "the name of a detector of PyOD, as 'pyod:ECOD'",
        repr(f"{PREFIX}{name}"),
        "See the modules of pyod.models for their names",
    )
