"""One fuzzed call: what must come of it, and how long it may take."""

import contextlib
import math
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from chaffinch.core.errors import ChaffinchError
from chaffinch.core.findings import Findings

SECONDS = 30
"""No call takes more than a few, even on a machine that is shared."""


class HangError(BaseException):
    """A call that did not end; no `Exception`, lest somebody catches it."""


@dataclass(frozen=True)
class Failure:
    """A call that broke the promise: clear errors or sound results, and nothing else."""

    target: str
    seed: int
    told: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        again = f"python tests/fuzz/remake.py {self.target} {self.seed}"
        return f"{again}\n    made of: {'; '.join(self.told)}\n    {self.reason}"


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise `HangError` in a call that takes too long."""

    def stop(*_signal: Any) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fault_of(call: Callable[[], Any]) -> str:
    """What is wrong with the outcome of a call; "" for a sound result or a clear error."""
    try:
        with limited(SECONDS):
            made = call()
    except ChaffinchError as error:
        return unclear(error)
    except HangError as error:
        return f"no end after {SECONDS} s: {_where(error)}"
    except Exception as error:  # whatever comes, it is what is looked for
        return f"{type(error).__name__}: {str(error)[:200]}\n    at {_where(error)}"
    if isinstance(made, torch.Tensor):
        return "" if bool(torch.isfinite(made).all()) else f"values that are not finite: {made[:5]}"
    return unsound(made) if isinstance(made, Findings) else ""


def unclear(error: ChaffinchError) -> str:
    """What an error lacks."""
    for part in ("expected", "got", "remedy"):
        if not str(getattr(error, part, "")).strip():
            return f"an error without {part}: {error}"
    return ""


def unsound(findings: Findings) -> str:
    """What findings lack: suspicions are probabilities, always."""
    suspicion = findings.table["suspicion"].to_numpy(np.float64)
    if not np.isfinite(suspicion).all() or not ((suspicion >= 0) & (suspicion <= 1)).all():
        return f"suspicions outside of 0..1: {suspicion[:5]}"
    if not math.isfinite(findings.estimated_errors):
        return f"{findings.estimated_errors} errors estimated"
    return ""


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        one
        for one in frames
        if "chaffinch" in one.filename and "fuzz" not in one.filename.split("/")[-1]
    ]
    told = [*own[-2:], frames[-1]]
    return " < ".join(f"{one.filename.split('/src/')[-1]}:{one.lineno}" for one in reversed(told))
