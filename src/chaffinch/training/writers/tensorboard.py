"""Numbers and alarms in TensorBoard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaffinch.core.errors import MissingExtraError
from chaffinch.training.alarms import Alarm
from chaffinch.training.diagnostics.snapshot import Snapshot


class TensorBoardWriter:
    """Writes the single numbers of each epoch, and alarms as text.

    Args:
        folder: Of the event files, as in ``tensorboard --logdir FOLDER``.
        prefix: Before each name.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path | str, prefix: str = "chaffinch/") -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("TensorBoardWriter", "tracking", "tensorboard") from error
        self._writer: Any = SummaryWriter(str(folder))
        self._prefix = prefix
        self._told = 0

    def show(self, history: Sequence[Snapshot], alarms: Sequence[Alarm]) -> None:
        """Write the latest epoch and the alarms that are new."""
        now = history[-1]
        step = now.epoch + 1
        for name, value in now.scalars().items():
            self._writer.add_scalar(self._prefix + name, value, step)
        for one in alarms[self._told :]:
            text = f"epoch {one.epoch + 1}: {one.reason}"
            self._writer.add_text(f"{self._prefix}alarm/{one.name}", text, step)
        self._told = len(alarms)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()
