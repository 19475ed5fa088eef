"""When does an epoch end? Told, counted in steps, or inferred from a sample that comes again."""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.training.watching.checks import check_range

Boundary = Literal["inferred", "told"] | int

_SEEN = b"\x01"


class EpochClock:
    """Finds the boundaries of epochs.

    Args:
        num_samples: N.
        boundary: "inferred": a batch that holds a sample of the present epoch again begins the
            next. "told": by `Watch.epoch_end` alone. An integer: as many steps, such as
            ``len(loader)``.

    Raises:
        InputError: Another boundary.
    """

    def __init__(self, num_samples: int, boundary: Boundary = "inferred") -> None:
        counted = isinstance(boundary, int) and not isinstance(boundary, bool) and boundary > 0
        if not counted and not (isinstance(boundary, str) and boundary in ("inferred", "told")):
            raise InputError(
                "boundary 'inferred', 'told' or a number of steps an epoch",
                repr(boundary),
                "Give len(loader) to count steps",
            )
        self.boundary = boundary
        self.epoch = 0
        self.steps = 0
        self.inferred = 0
        self._rows = 0
        self._usual = 0  # steps of the latest finished epoch
        self._seen = np.zeros(num_samples, dtype=np.bool_)

    def ends_before(self, ids: Tensor) -> bool:
        """Whether the present epoch was over before a batch with these ids (B,)."""
        if self.boundary == "inferred":
            rows = check_range(ids.numpy(), len(self._seen))
            over = self.steps > 0 and bool(self._seen[rows].any())
            self.inferred += over
            return over
        return self.boundary != "told" and self.steps >= int(self.boundary)

    def goes_on(self, ids: Tensor) -> bool:
        """Whether a batch belongs to an epoch under way, without a look at its ids' range.

        Then its step is counted; if not, nothing is.
        """
        if self.boundary == "inferred":
            try:
                rows = ids.numpy()
                if _SEEN in self._seen[rows].tobytes():  # a third of the time that any() takes
                    return False
                self._seen[rows] = True
            except (IndexError, RuntimeError, TypeError):
                return False
        elif self.boundary != "told" and self.steps >= int(self.boundary):
            return False
        self.steps += 1
        self._rows += len(ids)
        return True

    def step(self, ids: Tensor) -> None:
        """A batch of the present epoch came."""
        self.steps += 1
        self._rows += len(ids)
        if self.boundary == "inferred":
            self._seen[ids.numpy()] = True

    @property
    def rows(self) -> int:
        """How many rows of the epoch under way came in this process."""
        return self._rows

    def complete(self, rows: int, processes: int) -> bool:
        """Whether the epoch under way has all its batches, as far as can be told from their number.

        Those of the epoch before it; in the first epoch, as many samples as there are.

        Args:
            rows: How many came in all processes; samplers fill up the last round of them.
            processes: How many there are.
        """
        if not self.steps:
            return False
        if isinstance(self.boundary, int):
            return self.steps >= self.boundary
        if self._usual:
            return self.steps >= self._usual
        return 0 <= rows - len(self._seen) < processes

    def tell(self) -> None:
        """Boundaries will be told from now on.

        Raises:
            InputError: Some were inferred already.
        """
        if self.inferred:
            raise InputError(
                "a first epoch without a sample in two of its batches",
                f"{self.inferred} epochs that were inferred before the first call of epoch_end",
                "Watch with boundary='told', or loop over watch.epochs(number)",
            )
        if self.boundary == "inferred":
            self.boundary = "told"

    def turn(self) -> None:
        """The next epoch begins."""
        self.epoch += 1
        self.steps, self._rows, self._usual = 0, 0, self.steps
        self._seen[:] = False

    def state_dict(self) -> dict[str, Any]:
        """What goes on after a restart."""
        seen = torch.from_numpy(self._seen.copy())
        known = {"epoch": self.epoch, "steps": self.steps, "inferred": self.inferred}
        known |= {"rows": self._rows, "usual": self._usual}
        return {**known, "boundary": self.boundary, "seen": seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.epoch, self.steps = int(state["epoch"]), int(state["steps"])
        self.inferred, self.boundary = int(state["inferred"]), state["boundary"]
        self._rows, self._usual = int(state.get("rows", 0)), int(state.get("usual", 0))
        self._seen[:] = state["seen"].numpy()
