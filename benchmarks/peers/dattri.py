"""dattri: influence of the last layer at the last checkpoint.

It gets the last linear layer as a model of its own, with the recorded inputs as data: the gradients
are the same, and no pass through the rest of the network is charged to it. Scores are minus the
mean influence on the validation samples.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.method import Scored, method
from benchmarks.peers.library import library, undisturbed
from benchmarks.peers.view import last_layer, needing
from benchmarks.situation import Situation

DAMPING = 0.01
_NAMES = ["0.weight", "0.bias"]
_BATCH = 256
_VALIDATION = ("features", "validation_features", "validation_codes")

Pair = tuple[Tensor, Tensor]


def _head(situation: Situation) -> tuple[nn.Module, list[str]]:
    """The last layer as a model, and the names of its parameters."""
    _, layer = last_layer(situation)
    with torch.random.fork_rng(devices=[]):  # initial weights, which are overwritten
        made = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None)
    net = nn.Sequential(made)
    state = {f"0.{name}": value.detach().clone() for name, value in layer.named_parameters()}
    net.load_state_dict(state)
    return net.float().eval(), [name for name in _NAMES if name in state]


def _data(situation: Situation) -> tuple[TensorDataset, TensorDataset]:
    evidence = situation.evidence
    targets = evidence.need("validation_features"), evidence.need("validation_codes")
    pairs = (evidence.need("features"), evidence.labels.codes), targets
    made = [
        TensorDataset(
            torch.from_numpy(np.array(h, dtype=np.float32)),
            torch.from_numpy(np.array(y, dtype=np.int64)),
        )
        for h, y in pairs
    ]
    return made[0], made[1]


def _losses(net: nn.Module) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    """Losses of a batch and of a bare sample; which is handed over depends on the attributor."""

    def of_batch(parameters: dict[str, Tensor], batch: Pair) -> Tensor:
        x, y = batch
        return nn.functional.cross_entropy(functional_call(net, parameters, (x,)), y)

    def of_sample(parameters: dict[str, Tensor], sample: Pair) -> Tensor:
        x, y = sample
        return of_batch(parameters, (x[None], y[None]))

    return of_batch, of_sample


def _task(situation: Situation, single: bool) -> tuple[Any, list[str]]:
    net, names = _head(situation)
    loss = _losses(net)[single]
    task = library("dattri.task").AttributionTask(loss, net, net.state_dict(), target_func=loss)
    return task, names


def _scored(influence: Tensor) -> Scored:
    """Minus the mean over targets of (N, M) influence."""
    return Scored(-influence.detach().double().mean(dim=1).numpy())


@method("dattri TracIn validation", origin="dattri", runs_on=needing(*_VALIDATION))
def tracin(situation: Situation, _seed: int) -> Scored:
    """TracInAttributor without the projection that it does unasked: minus the mean influence."""
    task, names = _task(situation, single=True)
    data, targets = _data(situation)
    with undisturbed():
        attributors = library("dattri.algorithm.tracin")
        one = attributors.TracInAttributor(task, torch.ones(1), False, layer_name=names)
        one.projector_kwargs = None  # its constructor takes None for 512 dimensions
        loaders = [DataLoader(part, batch_size=_BATCH) for part in (data, targets)]
        return _scored(one.attribute(*loaders))


@method("dattri DataInf validation", origin="dattri", runs_on=needing(*_VALIDATION))
def datainf(situation: Situation, _seed: int) -> Scored:
    """IFAttributorDataInf, damping 0.01: minus the mean influence on the validation samples."""
    return _influence(situation, "IFAttributorDataInf")


@method("dattri EK-FAC validation", origin="dattri", runs_on=needing(*_VALIDATION))
def ekfac(situation: Situation, _seed: int) -> Scored:
    """IFAttributorEKFAC, damping 0.01: minus the mean influence on the validation samples."""
    task, _ = _task(situation, single=False)
    data, targets = _data(situation)
    with undisturbed():
        module = library("dattri.algorithm.influence_function")
        one = module.IFAttributorEKFAC(task, module_name=["0"], damping=DAMPING)
        loaders = [DataLoader(part, batch_size=_BATCH) for part in (data, targets)]
        one.cache(loaders[0])
        return _scored(one.attribute(*loaders))


def _influence(situation: Situation, kind: str) -> Scored:
    task, names = _task(situation, single=False)
    data, targets = _data(situation)
    with undisturbed():
        module = library("dattri.algorithm.influence_function")
        one = getattr(module, kind)(task, layer_name=names, regularization=DAMPING)
        # It solves for the targets again for every batch of samples, so it gets them all in one.
        loaders = DataLoader(data, batch_size=len(data)), DataLoader(targets, batch_size=50)
        one.cache(loaders[0])
        return _scored(one.attribute(*loaders))


@method("dattri TRAK validation", origin="dattri", runs_on=needing(*_VALIDATION))
def trak(situation: Situation, seed: int) -> Scored:
    """TRAKAttributor, 512 dimensions, one checkpoint: minus the mean influence on validation."""
    net, names = _head(situation)
    of_sample = _losses(net)[1]

    def margin(parameters: dict[str, Tensor], sample: Pair) -> Tensor:
        p = torch.exp(-of_sample(parameters, sample))
        return torch.log(p / (1 - p + 1e-6))

    def correct(parameters: dict[str, Tensor], sample: Pair) -> Tensor:
        return torch.exp(-of_sample(parameters, sample))

    data, targets = _data(situation)
    with undisturbed():
        task = library("dattri.task").AttributionTask(margin, net, net.state_dict())
        one = library("dattri.algorithm.trak").TRAKAttributor(
            task,
            correct,
            projector_kwargs={"proj_seed": seed, "device": "cpu"},
            layer_name=names,
            regularization=DAMPING,
        )
        loaders = [DataLoader(part, batch_size=_BATCH) for part in (data, targets)]
        one.cache(loaders[0])
        return _scored(one.attribute(loaders[1]))
