"""One model at several checkpoints, from paths, state dicts or models."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, final

from torch import Tensor, nn

from chaffinch.core.errors import InputError
from chaffinch.core.option import listed
from chaffinch.gradients.layer import Layers
from chaffinch.influence.task import Loss, Task
from chaffinch.models.checkpoint import find_checkpoints, load_checkpoint
from chaffinch.models.forward import copy_of

Checkpoint: TypeAlias = str | Path | Mapping[str, Tensor] | nn.Module
Checkpoints: TypeAlias = Checkpoint | Sequence[Checkpoint] | None


@final
class CheckpointedTasks:
    """A task for each checkpoint; each is made when its turn comes, on a copy of the model.

    Args:
        model: The model; never modified.
        data: The training samples.
        layers: Which parameters count.
        loss: One loss a sample; None for cross-entropy.
        checkpoints: Paths or a glob of state dicts, state dicts, models, or a sequence of them;
            None for the model as it is.

    Raises:
        InputError: No checkpoint, or something else than a checkpoint.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        layers: Layers = "last",
        loss: Loss | None = None,
        checkpoints: Checkpoints = None,
    ) -> None:
        self.data = data
        self._model = model
        self._make = data, layers, loss
        self._single: Task | None = None
        self._given: list[Checkpoint] = []
        if checkpoints is None:
            self._single = Task(model, *self._make)
            return
        alone = isinstance(checkpoints, str | Path | Mapping | nn.Module)
        what = "paths, state dicts or models as checkpoints"
        given: list[Any] = [checkpoints] if alone else listed(what, checkpoints)
        for one in given:
            self._given.extend(find_checkpoints(one) if isinstance(one, str) else [one])
        if not self._given:
            raise InputError("at least one checkpoint", "none", "Pass checkpoints=None for none")

    def __len__(self) -> int:
        return max(1, len(self._given))

    def __iter__(self) -> Iterator[Task]:
        if self._single is not None:
            yield self._single
        for one in self._given:
            yield Task(_loaded(self._model, one), *self._make)


def _loaded(model: nn.Module, checkpoint: Checkpoint) -> nn.Module:
    if isinstance(checkpoint, nn.Module):
        return checkpoint
    fresh = copy_of(model)
    if isinstance(checkpoint, str | Path):
        load_checkpoint(fresh, Path(checkpoint))
        return fresh
    if not isinstance(checkpoint, Mapping):
        raise InputError(
            "a checkpoint as a path, a state dict or a model",
            type(checkpoint).__name__,
            "Save states with torch.save(model.state_dict(), path)",
        )
    try:
        fresh.load_state_dict(dict(checkpoint))
    except RuntimeError as error:
        raise InputError(
            f"a state dict that fits {type(model).__name__}",
            " ".join(str(error).split())[:300],
            "Pass the model that it was taken from",
        ) from error
    return fresh
