"""`watch`: two lines in a training loop that record, weigh and judge every sample."""

import sys
from collections.abc import Iterator
from typing import Any, Self, Unpack

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from chaffinch.core.errors import InputError
from chaffinch.losses.loss import check_number
from chaffinch.training.policies.policy import PolicyBatch, Setting
from chaffinch.training.policies.stack import PolicyStack
from chaffinch.training.watching.block import Arrivals
from chaffinch.training.watching.checks import (
    check_batch,
    check_ids,
    check_samples,
    process,
    total,
    world_size,
)
from chaffinch.training.watching.clock import EpochClock
from chaffinch.training.watching.criterion import Criterion, cross_entropy
from chaffinch.training.watching.head import HeadListener
from chaffinch.training.watching.lane import Lane
from chaffinch.training.watching.ledger import Ledger
from chaffinch.training.watching.measures import Head
from chaffinch.training.watching.observer import StepRecord, in_charge
from chaffinch.training.watching.options import WatchOptions, check_known, observers
from chaffinch.training.watching.reading import Reading
from chaffinch.training.watching.validation import validation_of
from chaffinch.training.watching.weighing import Weighing

_FAR = 1000
"""Steps ahead that are looked at for one whose influence is recorded."""


def watch(model: nn.Module, num_samples: int, **options: Unpack[WatchOptions]) -> "Watch":
    """Watch a model learn, sample by sample, in your own training loop.

    Args:
        model: The model that is trained; hooks on its last linear layer come off at the end.
        num_samples: N; the loop gives each sample's position 0..N - 1 (see `with_ids`).
        **options: See `WatchOptions`.

    Returns:
        A context manager whose `Watch.loss` stands in the place of the loss.

    Raises:
        InputError: An option that is unknown or out of its bounds.

    Example:
        >>> model = nn.Linear(3, 2)
        >>> with watch(model, num_samples=4) as watched:
        ...     x, y, ids = torch.ones(4, 3), torch.tensor([0, 1, 0, 1]), torch.arange(4)
        ...     watched.loss(model(x), y, ids).backward()
        >>> watched.history("loss").shape
        (1, 4)
    """
    return Watch(model, num_samples, options)


class Watch(Reading):
    """What `watch` returns.

    Args:
        model: See `watch`.
        num_samples: See `watch`.
        options: See `WatchOptions`.
    """

    def __init__(self, model: nn.Module, num_samples: int, options: WatchOptions) -> None:
        check_known(options)
        if not isinstance(model, nn.Module):
            raise InputError("a model of torch", type(model).__name__, "Pass the model first")
        self.num_samples = check_samples(num_samples)
        self._options = options
        self._model = model.module if isinstance(model, DistributedDataParallel) else model
        policies = PolicyStack(options.get("policy", "observe"))
        self._weighing = Weighing(Criterion(options.get("loss"), self.num_samples), policies)
        self._clock = EpochClock(self.num_samples, options.get("boundary", "inferred"))
        self._head = HeadListener(self._model, options.get("layer"))
        self._validation, self._share = validation_of(options, policies.needs)
        self._observers = observers(options.get("callbacks", ()), options.get("alarms", False))
        looked_at = any(getattr(one, "every_step", True) for one in self._observers)
        self._ledger = Ledger(self.num_samples, options, self._show if looked_at else None)
        self._waiting: dict[str, Any] | None = None
        self._loaded: Tensor | None = None  # (N,) which samples the loaded part of an epoch has
        self._before = 0  # steps of finished epochs
        self._lane: Lane | None = None
        self._active = False

    def __enter__(self) -> Self:
        """Begin: hooks go on."""
        self._head.attach()
        self._weighing.criterion.epoch(self._clock.epoch)
        self._active = True
        return self

    def __exit__(self, kind: object, *_exception: object) -> None:
        """Finish the epoch under way, unless an error ended the training, and take hooks off."""
        try:
            self._lane = None
            if kind is None and self._clock.steps:
                self._finish_loaded()
            whole = kind is None and self._clock.epoch and self._options.get("out") is not None
            if whole and self._ledger.keeps_logits and in_charge():
                self.evidence()
        finally:
            self._active = False
            self._head.detach()
            self._weighing.criterion.close()
            for one in self._observers:
                one.close()

    def loss(self, outputs: Tensor, labels: Tensor, ids: Any) -> Tensor:
        """The loss of a batch, recorded and weighted.

        ``sum_i w_i loss_i`` divided by what the loss itself divides by, the batch size as a rule.
        Without gradients (``torch.no_grad``) it is the plain loss, and nothing is recorded.

        Args:
            outputs: (B, C) logits of the latest pass of the model.
            labels: (B,) codes, or (B, C) soft labels.
            ids: (B,) positions of the samples, best in the memory of the processor.

        Returns:
            () to call ``backward`` on.

        Raises:
            InputError: Shapes, labels or ids that do not fit; a folder that holds another run.
        """
        if self._lane is not None:
            mean = self._lane.loss(outputs, labels, ids)
            if mean is not None:
                return mean
        return self._recorded(outputs, labels, ids)

    def _recorded(self, outputs: Tensor, labels: Tensor, ids: Any) -> Tensor:
        """The loss of a batch of any kind."""
        rows = check_batch(outputs, labels, ids, self.num_samples)
        if type(ids) is not Tensor or ids.dtype is not torch.int64 or not ids.is_cpu:
            ids = torch.from_numpy(rows)  # else it is kept, for it tells when it is written over
        if not self._ledger.ready:
            self._prepare(outputs)
        if not (outputs.requires_grad and torch.is_grad_enabled()):
            return self._weighing.plain(outputs, labels, ids)
        if self._clock.ends_before(ids):
            self._close_epoch()
        self._check_goes_on(ids)
        seen, shown, weights = outputs.detach(), None, None
        head = self._head.take(outputs)
        if self._weighing.idle:
            # Just what the loop would do without a watch, to the last bit.
            mean = cross_entropy(outputs, labels, "mean")
        else:
            asked = PolicyBatch(self._clock.epoch, ids, outputs, labels)
            mean, shown, weights = self._weighing(asked, head)
        gradient = self._gradient(head) if self._share else None
        batch = Arrivals(ids, seen, labels, shown, weights, head, gradient)
        self._ledger.add(self._clock.epoch, self._before + self._clock.steps, batch)
        self._clock.step(ids)
        self._lane = self._open_lane(batch, outputs)
        return mean

    def _check_goes_on(self, ids: Tensor) -> None:
        """Refuse to add an epoch that begins anew to the part of it that was loaded."""
        known, self._loaded = self._loaded, None
        if known is None or self._clock.boundary == "inferred" or not bool(known[ids].all()):
            return
        raise InputError(
            f"the batches of epoch {self._clock.epoch + 1} that were left when the state was saved",
            f"samples that came before its {self._clock.steps} steps were saved",
            "Save the state after watch.epoch_end(), or skip the batches that were done",
        )

    def _finish_loaded(self) -> None:
        """Close the epoch under way, be it that all of it was loaded and no batch came since."""
        waiting, classes = self._ledger.waiting(), self._ledger.num_classes
        if waiting is not None and classes is not None:
            self._prepare(waiting["sums"].new_empty(0, classes).to(self._device()))
        self._loaded = None
        self._close_epoch()

    def _device(self) -> torch.device:
        return next((p.device for p in self._model.parameters()), torch.device("cpu"))

    def _open_lane(self, batch: Arrivals, outputs: Tensor) -> Lane | None:
        """A short way for batches like this one, if there may be more of them."""
        tally = self._ledger.tally
        narrow = batch.logits.dtype not in (torch.float32, torch.float64)
        if tally is None or not (tally.steady and self._weighing.idle) or narrow:
            return None
        if self._head.layer is not None and not (batch.head and batch.head.linear):
            return None  # the next batch may be another case
        self._head.rest(outputs, batch.head)
        inputs = 0 if batch.head is None else batch.head.features.shape[1]
        left, step = sys.maxsize, self._before + self._clock.steps
        if self._share:
            left = next((k for k in range(_FAR) if self._sampled(step + k)), _FAR)
        return Lane(
            self._clock,
            self._head,
            tally,
            self._ledger if self._ledger.rated else None,
            batch.logits.shape[1],
            inputs,
            batch.logits.dtype,
            left,
        )

    @torch.inference_mode(False)  # what is kept from batch to batch is written to in training
    def _prepare(self, outputs: Tensor) -> None:
        if not self._active:
            raise InputError("loss inside of 'with cf.watch(...)'", "it outside", "Use with")
        if self._clock.boundary == "inferred" and world_size() > 1:
            raise InputError(
                "boundaries that are told or counted under data parallel training",
                "boundary='inferred'",
                "Loop over watch.epochs(number), or watch with boundary=len(loader)",
            )
        self._ledger.prepare(outputs, self._clock.epoch)
        setting = Setting(self.num_samples, outputs.shape[1], outputs.device)
        self._weighing.begin(setting)
        if self._waiting is not None:
            self._weighing.load_state_dict(self._waiting)
            self._waiting = None

    def _gradient(self, head: Head | None) -> Tensor | None:
        """The validation gradient, in steps that are sampled."""
        validation, layer = self._validation, self._head.layer
        step = self._before + self._clock.steps
        if validation is None or layer is None or head is None:
            return None
        if not (head.linear and self._sampled(step)):
            return None
        return validation.latest(self._model, layer, step)

    def _sampled(self, step: int) -> bool:
        """Whether influence is recorded in a step: in as many of the first ones as the share."""
        return int((step + 1) * self._share) > int(step * self._share)

    def _show(self, record: StepRecord) -> None:
        for one in self._observers:
            one.on_steps(record)

    @torch.inference_mode(False)
    def _close_epoch(self) -> None:
        shown = None
        if self._validation is not None and (self._observers or not self._weighing.idle):
            shown = self._validation.look(self._model)
        record = self._ledger.close(self._clock.epoch, self._clock.steps, shown)
        for name, decision in self._weighing.policies.end_epoch(record):
            self.log(decision.action, decision.reason, decision.ids, name)
        self._before += self._clock.steps
        self._clock.turn()
        self._lane = None
        self._weighing.criterion.epoch(self._clock.epoch)
        for one in self._observers:
            one.on_epoch(record)

    def epoch_end(self) -> None:
        """Tell that the epoch is over; from now on no boundaries are inferred.

        Under data parallel training all processes must call it.

        Raises:
            InputError: Some boundaries were inferred already.
        """
        self._clock.tell()
        if self._clock.steps:
            self._finish_loaded()

    def epochs(self, number: int) -> Iterator[int]:
        """Count the epochs of the loop, in place of ``range(number)``; after a restart, the rest.

        A loop over these tells the watch where epochs end.
        """
        self._clock.tell()
        rows = total(self._clock.rows, self._device())
        if self._clock.complete(rows, world_size()):
            self._finish_loaded()  # the state was saved at the end of the loop's body
        while self._clock.epoch < number:
            before, done = self._clock.epoch, self._clock.steps
            yield before
            if self._clock.epoch != before:
                continue
            if self._clock.steps > done:
                self._close_epoch()
            else:
                raise InputError(
                    f"a call of watch.loss in epoch {before + 1}", "none", "Check the data loader"
                )

    def pin(self, ids: Any, weight: float = 1.0) -> None:
        """Fix the weights of samples, whatever a policy thinks; logged.

        Args:
            ids: (n,) positions.
            weight: Of each; 1 takes them back from any policy, 0 leaves them out.

        Raises:
            InputError: Ids that are none, or a negative weight.
        """
        rows = check_ids(ids, self.num_samples)
        fixed, self._lane = check_number("weight", weight, 0), None
        self._weighing.policies.pin(torch.from_numpy(rows), fixed, self.num_samples)
        self.log("pinned", f"weight {fixed:g}, by hand", rows)

    def unpin(self, ids: Any) -> None:
        """Leave the weights of samples to the policy again; logged."""
        rows = check_ids(ids, self.num_samples)
        self._weighing.policies.pin(torch.from_numpy(rows), None, self.num_samples)
        self.log("unpinned", "by hand", rows)

    def state_dict(self) -> dict[str, Any]:
        """What goes into your checkpoint: plain values and tensors.

        Under data parallel training, save it right after an epoch.
        """
        self._lane = None
        weighing = self._waiting or (self._weighing.state_dict() if self._ledger.ready else None)
        kept: list[Any] = [getattr(one, "state_dict", dict)() for one in self._observers]
        return {
            "clock": self._clock.state_dict(),
            "steps": self._before + self._clock.steps,
            "process": process(),
            "ledger": self._ledger.state_dict(),
            "weighing": weighing,
            "validation": None if self._validation is None else self._validation.state_dict(),
            "observers": kept,
        }

    @torch.inference_mode(False)
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`; epochs recorded since then are forgotten.

        Raises:
            InputError: The state is of another number of samples, or of another process within an
                epoch.
            RunError: The folder lacks epochs that the checkpoint had.
        """
        if int(state["clock"]["steps"]) and state.get("process", process()) != process():
            raise InputError(
                f"a state of this process ({process()}) within an epoch, or one between epochs",
                f"that of process {state['process']}",
                "Save the state after watch.epoch_end(), or in every process",
            )
        self._ledger.load_state_dict(state["ledger"], int(state["clock"]["epoch"]))
        self._clock.load_state_dict(state["clock"])
        tally = state["ledger"]["tally"]
        self._loaded = tally["counts"][0].cpu() > 0 if tally and self._clock.steps else None
        self._before, self._lane = int(state["steps"]) - self._clock.steps, None
        if self._ledger.ready and state["weighing"] is not None:
            self._weighing.load_state_dict(state["weighing"])
        else:
            self._waiting = state["weighing"]
        if self._validation is not None and state["validation"] is not None:
            self._validation.load_state_dict(state["validation"])
        for one, own in zip(self._observers, state["observers"], strict=False):
            if hasattr(one, "load_state_dict"):
                one.load_state_dict(own)
        self._weighing.criterion.epoch(self._clock.epoch)
