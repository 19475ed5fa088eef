"""The calls of the suite by target and seed."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzz_commands
import fuzz_library
import fuzz_more
from fuzz_call import Failure, fault_of
from fuzz_draw import Draw

TARGETS = {**fuzz_library.TARGETS, **fuzz_more.MORE, **fuzz_commands.COMMANDS}


def made(target: str, seed: int, folder: Path) -> tuple[Draw, Callable[[], Any]]:
    """The choices and the call of one seed; its files lie in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = Draw(target, seed)
    return draw, TARGETS[target][0](draw, folder)


def failure_of(target: str, seed: int, folder: Path) -> Failure | None:
    """What was wrong with one call, made inside of ``folder``."""
    before = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    told: tuple[str, ...] = ()
    try:
        draw, call = made(target, seed, folder / "call")
        told = tuple(draw.told)
        reason = fault_of(call)
    except Exception:
        reason = "the suite itself fails: " + traceback.format_exc()[-900:]
    finally:
        os.chdir(before)
    return Failure(target, seed, told, reason) if reason else None
