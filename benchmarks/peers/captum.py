"""captum: TracIn for the last layer over all checkpoints (Pruthi et al., 2020).

captum leaves the gradient by the bias out, whether or not the layer has one. The influence of each
checkpoint counts by the learning rate of its epoch.
"""

import copy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.method import Scored, method
from benchmarks.peers.library import library, undisturbed
from benchmarks.peers.view import Batches, last_layer, training_batches, validation_of
from benchmarks.situation import Situation

_PROJECTED = 64


def _traceable(situation: Situation) -> bool:
    return bool(situation.checkpoints) and situation.evidence.has("learning_rates")


def _traceable_to_validation(situation: Situation) -> bool:
    return _traceable(situation) and situation.validation is not None


def tracer(situation: Situation, folder: Path, kind: str, **options: Any) -> Any:
    """One of captum's tracers on a copy of the model and files of its checkpoints.

    Args:
        situation: The situation; its model stays as it is.
        folder: Where the checkpoints go.
        kind: Class in ``captum.influence``.
        options: Further arguments of the class.
    """
    name, _ = last_layer(situation)
    model = copy.deepcopy(situation.model).eval()
    rates = situation.evidence.need("learning_rates")
    files = [str(folder / f"{epoch}.pt") for epoch in range(len(situation.checkpoints))]
    rate_of = dict(zip(files, map(float, rates[-len(files) :]), strict=True))
    for file, state in zip(files, situation.checkpoints, strict=True):
        torch.save(state, file)

    def load(net: nn.Module, file: str) -> float:
        net.load_state_dict(torch.load(file, weights_only=True))
        return rate_of[file]

    return getattr(library("captum.influence"), kind)(
        model,
        model.get_submodule(name),
        training_batches(situation).loader(),
        files,
        checkpoints_load_func=load,
        loss_fn=nn.CrossEntropyLoss(reduction="sum"),
        batch_size=None,
        **options,
    )


class _NoIndex:
    """In the place of an index for searches, which captum wants another package for."""

    def setup(self, _data: torch.Tensor) -> None:
        """Influence on all targets needs no search."""


@method("captum TracInCPFast self", origin="captum", runs_on=_traceable)
def self_influence(situation: Situation, _seed: int) -> Scored:
    """TracInCPFast.self_influence over all checkpoints, last layer without its bias."""
    with undisturbed(), tempfile.TemporaryDirectory() as folder:
        values = tracer(situation, Path(folder), "TracInCPFast").self_influence()
    return Scored(values.detach().double().numpy())


@method("captum TracInCPFast validation", origin="captum", runs_on=_traceable_to_validation)
def validation_influence(situation: Situation, _seed: int) -> Scored:
    """TracInCPFast: minus the mean influence on the validation samples, without the bias."""
    inputs, codes = validation_of(situation)
    total = np.zeros(len(situation.evidence))
    with undisturbed(), tempfile.TemporaryDirectory() as folder:
        tracin = tracer(situation, Path(folder), "TracInCPFast")
        for x, y in Batches(inputs, torch.from_numpy(codes)):
            total += tracin.influence((x, y)).detach().double().sum(0).numpy()
    return Scored(-total / max(1, len(codes)))


@method("captum TracInCPFastRandProj validation", origin="captum", runs_on=_traceable_to_validation)
def projected_influence(situation: Situation, seed: int) -> Scored:
    """TracInCPFastRandProj, 64 dimensions: minus the mean influence on the validation samples."""
    inputs, codes = validation_of(situation)
    with undisturbed(), tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(seed)
        options = {"projection_dim": _PROJECTED, "nearest_neighbors": _NoIndex()}
        tracin = tracer(situation, Path(folder), "TracInCPFastRandProj", **options)
        # Dot products of these vectors are the influence.
        samples = tracin.compute_intermediate_quantities(training_batches(situation).loader())
        loader = Batches(inputs, torch.from_numpy(codes)).loader()
        targets = tracin.compute_intermediate_quantities(loader)
    return Scored(-(samples.double() @ targets.double().mean(0)).numpy())
