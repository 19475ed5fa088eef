"""Hostile calls of influence, verification, forgetting, prompts and explanations."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from fuzz_commands import finished_run
from fuzz_draw import JUNK, Draw
from fuzz_files import file_makers
from fuzz_library import (
    _FACTORIES,
    _LAYERS,
    _LOSSES,
    Call,
    _pair,
    containers,
    findings,
    model_makers,
)
from fuzz_values import C, K, N, array_makers, codes, column_makers, features, label_makers, table
from torch import nn

import chaffinch as cf

_VALUES: tuple[Any, ...] = (
    0,
    1,
    2,
    0.5,
    1e-3,
    1e308,
    "auto",
    "ggn",
    "sgd",
    "fisher",
    [1.0],
    [0.1, 0.2],
)
_SMALL = {"lissa": {"depth": 3, "repeats": 1}, "gex": {"members": 2, "steps": 2}, "arnoldi": {"iterations": 3}}  # fmt: skip


def options_of(draw: Draw, estimator: str) -> dict[str, Any]:
    """Options that the estimator has, with values that it may not take."""
    preset = cf.influence.ESTIMATORS[estimator]
    made = getattr(preset, "make", None) or getattr(preset, "solver", None) or preset
    try:
        names = [one for one in inspect.signature(made).parameters if one not in ("self", "task")]
    except (TypeError, ValueError):
        names = []
    known = ("damping", "curvature", "seed", "iterations", "dimensions", "ridge", "learning_rates", "labels", "sampler")  # fmt: skip
    values = {name: _VALUES for name in (*names, *known) if name not in ("depth", "steps", "members", "repeats")}  # fmt: skip
    return {**_SMALL.get(estimator, {}), **draw.options(values, 1)}


def attribute(draw: Draw, folder: Path) -> Call:
    model = draw.made("model", model_makers()) if draw.chance(0.3) else nn.Linear(K, C)
    data = _pair(draw) if draw.chance(0.4) else (torch.from_numpy(features(draw)).float(), codes())
    targets = _pair(draw) if draw.chance(0.6) else (features(draw)[:4], codes()[:4])
    estimator = draw.one(list(cf.influence.ESTIMATORS))
    options = options_of(draw, estimator) | draw.options(
        {
            "layers": _LAYERS,
            "loss": _LOSSES,
            "checkpoints": ([model], [], "nothing*", {"a": 1}, ["nowhere.pt"]),
            "mean_target": (True,),
        },
        1,
    )
    draw.told.append(f"estimator={estimator}")
    return lambda: cf.attribute(model, data, targets, estimator, **options)


def estimate(draw: Draw, folder: Path) -> Call:
    """Self-influence by every estimator, with its own options."""
    model = draw.made("model", model_makers()) if draw.chance(0.5) else nn.Linear(K, C)
    data = (torch.from_numpy(features(draw)).float(), torch.from_numpy(codes()))
    estimator = draw.one(list(cf.influence.ESTIMATORS))
    layers = draw.one(("all", "last", "all", "last", *_LAYERS))
    options = options_of(draw, estimator)
    loss = draw.one(_LOSSES) if draw.chance(0.3) else None
    draw.told.append(f"estimator={estimator}; layers={layers!r}; loss={loss}")
    return lambda: cf.self_influence(model, data, estimator, layers, loss, **options)


def forget(draw: Draw, folder: Path) -> Call:
    model = draw.made("model", model_makers()) if draw.chance(0.5) else nn.Linear(K, C)
    data = _pair(draw) if draw.chance(0.5) else (features(draw).astype(np.float32), codes())
    ids = draw.made("ids", label_makers()) if draw.chance(0.4) else draw.one(([0, 1], np.arange(N) < 4, [], [N], ["x"], *JUNK))  # fmt: skip
    return lambda: cf.forget(model, data, ids)


def prompts(draw: Draw, folder: Path) -> Call:
    """`open_prompts`, then `check_prompts`, on tables with a hostile column, and on files."""
    good = pd.DataFrame({"prompt": [f"what is {i}?" for i in range(N)], "response": [f"it is {i % 5}" for i in range(N)]})  # fmt: skip

    def hostile() -> Any:
        name = draw.one(("prompt", "response", "id", "messages"))
        column = draw.made(f"column {name}", column_makers())
        try:
            return good.assign(**{name: column.array if isinstance(column, pd.Series) else column})
        except Exception:  # pandas itself cannot hold it
            return good

    def frame() -> Any:
        try:
            return table(draw)
        except Exception:  # pandas itself cannot hold it
            return good

    data = draw.made(
        "data",
        {
            "hostile": hostile,
            "hostile again": hostile,
            "file": lambda: draw.made("file", file_makers(folder)),
            "table": frame,
            "rows": lambda: good[: draw.number(0, 3)],
            "junk": lambda: draw.one(JUNK),
            "list": lambda: good.to_dict("records"),
            "index": lambda: good.set_axis([0] * N),
        },
    )
    options = draw.options(
        {"prompt": ("a", "prompt", "label"), "response": ("b", "response", "prompt"), "id_column": ("id", "prompt", "a")}, 1
    )  # fmt: skip
    return lambda: cf.check_prompts(cf.open_prompts(data, **options))


def verify(draw: Draw, folder: Path) -> Call:
    good: Any = (features(draw), codes())
    ids = cf.open_data(good).ids
    edits = (
        cf.Edit(str(ids[0]), "trim"),
        cf.Edit(str(ids[1]), "relabel", new_label=str(codes()[2])),
    )
    plan: Any = cf.Plan(edits)
    data, validation = good, (features(draw), codes()) if draw.chance(0.5) else None
    spoilt = draw.one(("plan", "data", "validation", "groups", "findings", "model", "nothing"))
    draw.told.append(f"spoilt={spoilt}")
    options: dict[str, Any] = {"seeds": 2, "epochs": 1, "ablate": False, "control": False}
    if spoilt == "plan":
        plan = draw.one((*JUNK, cf.Plan(()), cf.Plan((cf.Edit("nobody", "trim"),)), cf.Plan(tuple(cf.Edit(str(one), "trim") for one in ids))))  # fmt: skip
    elif spoilt == "data":
        data = draw.made("data", containers(draw, folder))
    elif spoilt == "validation":
        validation = draw.made("validation", containers(draw, folder))
    elif spoilt == "groups":
        options["groups"] = draw.made("groups", label_makers())
    elif spoilt == "findings":
        options["findings"] = draw.one((findings(), *JUNK))
    elif spoilt == "model":
        named = {f"factory {i}": lambda v=value: v for i, value in enumerate(_FACTORIES)}
        options["model"] = draw.made("model", {**model_makers(), **named})
    options |= draw.options(
        {"batch_size": (1, 7), "learning_rate": (1e30, 0.1), "device": ("meta", "nonsense"), "seed": (1, -1), "label": ("y",), "control": (True,), "nonsense": (1,)}, 1
    )  # fmt: skip
    return lambda: cf.verify(plan, data, validation, **options)


def explain(draw: Draw, folder: Path) -> Call:
    run: Any = finished_run() / "run"
    ids = draw.made("ids", label_makers()) if draw.chance(0.5) else draw.one(JUNK)
    if draw.chance(0.3):
        run = draw.one((*JUNK, folder, "nowhere", findings()))
    return lambda: cf.explain(run, ids)


def scored(draw: Draw, folder: Path) -> Call:
    """`propose`, `readmit` and `calibrate` with hostile objects in the place of findings."""
    plan = draw.one((cf.Plan((cf.Edit("i0", "quarantine"),)), *JUNK))
    found = draw.one((findings(), *JUNK))
    value = draw.one(JUNK)
    call: Callable[[], Any] = draw.one(
        (
            lambda: cf.readmit(plan, found, value),
            lambda: cf.propose(found, "balanced"),
            lambda: cf.calibrate(found, {"i0": value}),
            lambda: cf.calibrate(findings(), {"i0": value}),
        )
    )
    return call


def watched_loss(draw: Draw, folder: Path) -> Call:
    """A watch whose loss function or validation model misbehaves in one call."""
    model = draw.made("model", model_makers())
    good = torch.from_numpy(features(draw)).float()
    loss = draw.one(_LOSSES)
    weights = draw.made("validation", array_makers(features(draw))) if draw.chance(0.5) else good

    def train() -> Any:
        options = {"validation": (weights, codes()), "logits": True, "loss": loss}
        with cf.watch(model, num_samples=N, alarms=True, **options) as watched:
            for _ in watched.epochs(2):
                head = nn.Linear(K, C)
                total = watched.loss(head(good), torch.from_numpy(codes()), torch.arange(N))
                if total.requires_grad:
                    total.backward()
        return watched.findings()

    return train


MORE: dict[str, tuple[Callable[[Draw, Path], Call], int]] = {
    "attribute": (attribute, 2),
    "estimate": (estimate, 3),
    "forget": (forget, 1),
    "prompts": (prompts, 2),
    "verify": (verify, 1),
    "explain": (explain, 1),
    "scored": (scored, 1),
    "watched_loss": (watched_loss, 1),
}
