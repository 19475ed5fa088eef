"""The plan of a run: every cell of a suite with the methods that it is measured for."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.catalogue import missing_peer, origin_of
from benchmarks.cell import Cell
from benchmarks.engine.suite import Block, Suite
from benchmarks.experiment import EXPERIMENTS
from chaffinch.core.errors import InputError

_DIMENSIONS = ("protocol", "data", "model", "glitch", "rate", "seed")


@dataclass(frozen=True)
class Choice:
    """Which part of a suite is wanted.

    Attributes:
        full: Sizes of the papers instead of those for two cores.
        seeds: How many seeds, if not those declared.
        methods: Methods or origins; all if empty.
        only: (dimension, value) pairs; a cell must have one of the values of each dimension named.
    """

    full: bool = False
    seeds: int | None = None
    methods: tuple[str, ...] = ()
    only: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> str:
        """As options of the command."""
        words = " --full" if self.full else ""
        words += f" --seeds {self.seeds}" if self.seeds is not None else ""
        words += f" --methods {_quoted(','.join(self.methods))}" if self.methods else ""
        pairs = ",".join(f"{name}={value}" for name, value in self.only)
        return words + (f" --only {_quoted(pairs)}" if pairs else "")


@dataclass(frozen=True)
class Job:
    """A cell and the methods that it is measured for."""

    cell: Cell
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All that a run of a suite measures.

    Attributes:
        suite: The suite.
        choice: The part of it that is wanted.
        jobs: In the order of the declaration; no cell comes twice.
        left_out: Reasons by method that is not run.
    """

    suite: Suite
    choice: Choice
    jobs: tuple[Job, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def blocks(self) -> list[Block]:
        """The blocks as they are run."""
        return _blocks(self.suite, self.choice)

    @property
    def methods(self) -> list[str]:
        """All methods, sorted."""
        return sorted({name for job in self.jobs for name in job.methods})


def plan_suite(suite: Suite, choice: Choice) -> Plan:
    """List the cells of a suite; the catalogue must be loaded.

    Raises:
        InputError: An unknown experiment, method or dimension, or nothing is left to measure.
    """
    found: dict[str, list[str]] = {}
    left_out: dict[str, str] = {}
    cells: dict[str, Cell] = {}
    unused = set(choice.methods)
    for block in _blocks(suite, choice):
        names = EXPERIMENTS[block.experiment].expand(block.methods)
        names = [name for name in names if not choice.methods or _chosen(name, choice, unused)]
        for name in names:
            if missing := missing_peer(name):
                left_out[name] = f"{missing} is not installed"
        names = [name for name in names if name not in left_out]
        for cell in _cells(suite.name, block, choice):
            if names and _wanted(cell, choice.only):
                cells[cell.key] = cell
                found.setdefault(cell.key, []).extend(names)
    if unused:
        raise InputError(
            f"methods or origins of the suite {suite.name!r}",
            repr(sorted(unused)[0]),
            f"'python -m benchmarks {suite.name}' without --methods runs them all",
        )
    if not found:
        raise InputError(
            f"at least one cell of the suite {suite.name!r} to measure",
            f"none with{choice.words or ' the methods declared'}",
            "Widen --only and --methods",
        )
    jobs = tuple(Job(cells[key], tuple(sorted(set(names)))) for key, names in found.items())
    return Plan(suite, choice, jobs, left_out)


def parse_only(text: str) -> tuple[tuple[str, str], ...]:
    """Read ``data=mnist,data=letter,glitch=blur``.

    Raises:
        InputError: No pair of a dimension and a value.
    """
    pairs = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or name not in _DIMENSIONS:
            raise InputError(
                f"pairs like data=digits of {', '.join(_DIMENSIONS)}",
                repr(part),
                "Give a name twice for either of two values",
            )
        pairs.append((name, value))
    return tuple(pairs)


def _blocks(suite: Suite, choice: Choice) -> list[Block]:
    return [block.at_full_size() if choice.full else block for block in suite.cells]


def _cells(name: str, block: Block, choice: Choice) -> Iterator[Cell]:
    varied = [[(key, value) for value in values] for key, values in block.vary.items()]
    dimensions = (block.protocol, block.data, block.model, block.glitch, block.rate)
    for protocol, data, model, glitch, rate, *some in itertools.product(*dimensions, *varied):
        for seed in block.seed_list(choice.seeds):
            yield Cell(
                suite=name,
                experiment=block.experiment,
                protocol=protocol,
                data=data,
                model=model,
                glitch=glitch,
                rate=rate,
                seed=seed,
                settings=block.settings | dict(some),
            )


def _chosen(name: str, choice: Choice, unused: set[str]) -> bool:
    hits = {name, origin_of(name)} & set(choice.methods)
    unused -= hits
    return bool(hits)


def _wanted(cell: Cell, only: Sequence[tuple[str, str]]) -> bool:
    for name in {name for name, _ in only}:
        value = getattr(cell, name)
        allowed = [text for key, text in only if key == name]
        if not any(_same(value, text) for text in allowed):
            return False
    return True


def _same(value: object, text: str) -> bool:
    if isinstance(value, str):
        return value == text
    try:
        return value == float(text)
    except ValueError:
        return False


def _quoted(text: str) -> str:
    return f"'{text}'" if " " in text else text
