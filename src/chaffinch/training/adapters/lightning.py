"""A watch in Lightning: a callback, and one line in the module's training step."""
# ruff: noqa: ARG002 - Lightning gives every hook the same arguments

from typing import Any, Unpack

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.training.watching.options import WatchOptions
from chaffinch.training.watching.watch import Watch, watch

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError as error:
    raise MissingExtraError("the Lightning callback", "lightning", "lightning") from error


class WatchCallback(Callback):
    """Opens a watch when fitting begins, ends its epochs, and keeps its state in the checkpoints.

    The training step asks the module for the watch::

        def training_step(self, batch, number):
            ids, x, y = batch
            return self.watch.loss(self(x), y, ids)

    Attributes:
        watch: The watch, from the first fit on.

    Args:
        num_samples: N.
        name: The attribute of the module under which it finds the watch.
        options: See `WatchOptions`; epochs are always told.
    """

    def __init__(
        self, num_samples: int, name: str = "watch", **options: Unpack[WatchOptions]
    ) -> None:
        self.watch: Watch | None = None
        self._num_samples = num_samples
        self._name = name
        self._options = options
        self._state: dict[str, Any] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Make the watch and hand it to the module.

        Raises:
            InputError: The module has something else under that name.
        """
        if stage != "fit":
            return
        taken = getattr(pl_module, self._name, None)
        if taken is not None and not isinstance(taken, Watch):
            raise InputError(
                f"a module without an attribute {self._name!r} of its own",
                type(taken).__name__,
                "Give the callback another name=",
            )
        options: WatchOptions = {**self._options, "boundary": "told"}
        if self.watch is None:
            self.watch = watch(pl_module, self._num_samples, **options)
            self.watch.__enter__()
        # Not a part of the module: its state goes with the callback's.
        object.__setattr__(pl_module, self._name, self.watch)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on from a checkpoint, if there is one."""
        if self.watch is not None and self._state is not None:
            self.watch.load_state_dict(self._state)
            self._state = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the watch's epoch."""
        if self.watch is not None:
            self.watch.epoch_end()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the watch; its records can still be read."""
        self._close(None)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Take the hooks off; the unfinished epoch is not recorded."""
        self._close(type(exception))

    def _close(self, kind: type[BaseException] | None) -> None:
        if self.watch is not None:
            self.watch.__exit__(kind, None, None)

    def state_dict(self) -> dict[str, Any]:
        """The watch's state, for the checkpoint."""
        return {} if self.watch is None else self.watch.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state until training starts."""
        self._state = state_dict or None
