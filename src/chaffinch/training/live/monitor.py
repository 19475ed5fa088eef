"""The monitor: the observer that follows a training, raises alarms and tells its readers."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

from chaffinch.core.errors import InputError
from chaffinch.core.option import listed
from chaffinch.training.alarms import ALARMS, Alarm, Rule
from chaffinch.training.diagnostics.follower import Follower
from chaffinch.training.diagnostics.snapshot import Snapshot
from chaffinch.training.watching.observer import EpochRecord, StepRecord, in_charge

LOG = logging.getLogger("chaffinch")

__all__ = ["LOG", "Monitor", "Reader"]


class Reader(Protocol):
    """Shows what a monitor knows: a writer, a page, a panel."""

    def show(self, history: Sequence[Snapshot], alarms: Sequence[Alarm]) -> None:
        """Called after each epoch with all snapshots and alarms so far."""
        ...

    def close(self) -> None:
        """Called once, when the watch ends."""
        ...


class Monitor:
    """Follows a training; give it to ``cf.watch(..., callbacks=[Monitor(...)])``.

    Under data parallel training every process knows all alarms; only the first one logs them and
    tells the readers.

    Args:
        alarms: Names of alarms, ``"all"``, or ``()`` for none.
        callback: Called with each `Alarm` as it is raised; what it raises stops the training.
        readers: Writers, pages and panels that are shown every epoch.
        classes: (C,) names of the classes; their codes where left out.

    Attributes:
        history: A `Snapshot` of each epoch so far.
        alarms: All alarms raised so far, each rule and subject at most once.

    Raises:
        InputError: The name of an alarm that there is not.
    """

    every_step = False
    """Whole epochs are enough, so the watch need not copy its steps."""

    def __init__(
        self,
        alarms: Iterable[str] | Literal["all"] = "all",
        callback: Callable[[Alarm], None] | None = None,
        readers: Sequence[Reader] = (),
        classes: Sequence[str] | None = None,
    ) -> None:
        self.history: list[Snapshot] = []
        self.alarms: list[Alarm] = []
        self._rules = _choose(alarms)
        self._callback = callback
        self._readers = tuple(readers)
        self._follower = Follower(None if classes is None else [str(name) for name in classes])
        self._raised: set[tuple[str, str]] = set()

    def on_steps(self, record: StepRecord) -> None:
        """Nothing: the monitor looks at whole epochs."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Follow the epoch, raise alarms, tell the readers."""
        self.history.append(self._follower.follow(record))
        raised = [found for rule in self._rules if (found := rule(self.history)) is not None]
        new = [one for one in raised if (one.name, one.subject) not in self._raised]
        self.alarms += new
        self._raised |= {(one.name, one.subject) for one in new}
        if in_charge():
            self._tell(new)
        if self._callback is not None:
            for one in new:
                self._callback(one)

    def _tell(self, new: Sequence[Alarm]) -> None:
        """Log alarms and show the epoch; before the callback, which may end the training."""
        for one in new:
            level = logging.WARNING if one.severity == "warning" else logging.INFO
            LOG.log(level, "epoch %d: %s: %s", one.epoch + 1, one.name, one.reason)
        for reader in self._readers:
            reader.show(self.history, self.alarms)

    def close(self) -> None:
        """Close all readers."""
        if in_charge():
            for reader in self._readers:
                reader.close()

    def state_dict(self) -> dict[str, Any]:
        """What is remembered; the history of earlier epochs is not."""
        raised = [list(pair) for pair in sorted(self._raised)]
        return {"follower": self._follower.state_dict(), "raised": raised}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned; alarms that were raised are not raised again."""
        self._follower.load_state_dict(state["follower"])
        self._raised = {(name, subject) for name, subject in state["raised"]}


def _choose(names: Iterable[str] | Literal["all"]) -> list[Rule]:
    if isinstance(names, str) and names == "all":
        return [rule for _, rule in ALARMS.items()]
    if isinstance(names, str):
        raise InputError(
            "'all' or a list of names of alarms", repr(names), f"Give [{names!r}] for one"
        )
    return [ALARMS[name] for name in listed("'all' or names of alarms", names)]
