"""Peers are imported when they are asked, and their chatter stays out of the results."""

import importlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

from chaffinch.core.errors import MissingExtraError


def library(module: str) -> Any:
    """A module of a peer.

    Raises:
        MissingExtraError: The peer is not installed.
    """
    peer = module.partition(".")[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what peers deprecate in one another
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != peer:
            raise
        raise MissingExtraError(f"a comparison with {peer}", "bench", peer) from error


@contextmanager
def undisturbed() -> Iterator[None]:
    """Run a peer without its warnings and progress bars, and leave PyTorch's random state alone."""
    import torch

    quiet = redirect_stderr(io.StringIO())
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), quiet:
        warnings.simplefilter("ignore")
        yield
