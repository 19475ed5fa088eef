"""A suite: what is measured, and how it is shown, declared in a TOML file."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from benchmarks.cell import Protocol
from chaffinch.core.errors import InputError


def _listed(value: object) -> object:
    """A single word or number stands for the list of it."""
    return [value] if isinstance(value, str | int | float) else value


Names = Annotated[list[str], BeforeValidator(_listed)]
Numbers = Annotated[list[float], BeforeValidator(_listed)]
Where = dict[str, Any]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Block(_Declared):
    """Cells of one experiment: the product of all lists.

    Attributes:
        experiment: Name of the experiment.
        protocol: Protocols.
        data: Data sets.
        model: Networks.
        glitch: Glitches.
        rate: Shares of samples with the glitch.
        seeds: How many seeds, counted from 0, or which.
        methods: Names of methods, or origins, which stand for all their methods.
        settings: What else decides the outcome; given to the experiment as it stands.
        vary: Settings of which every combination is measured: lists by name.
        full: Keys that the option ``--full`` replaces; ``settings`` are merged.
    """

    experiment: str
    protocol: Annotated[list[Protocol], BeforeValidator(_listed)] = ["corrected"]
    data: Names = Field(min_length=1)
    model: Names = Field(min_length=1)
    glitch: Names = Field(default=["none"], min_length=1)
    rate: Numbers = Field(default=[0.0], min_length=1)
    seeds: int | list[int] = 5
    methods: Names = []
    settings: dict[str, Any] = {}
    vary: dict[str, list[Any]] = {}
    full: dict[str, Any] = {}

    def at_full_size(self) -> "Block":
        """The block as the option ``--full`` runs it."""
        settings = self.settings | self.full.get("settings", {})
        values = self.model_dump() | self.full | {"settings": settings, "full": {}}
        return Block.model_validate(values)

    def seed_list(self, most: int | None = None) -> list[int]:
        """The seeds, at most `most` of them; a number asked for replaces a number declared."""
        if isinstance(self.seeds, int):
            return list(range(self.seeds if most is None else most))
        return self.seeds[:most]


class TableSpec(_Declared):
    """A table of means and standard deviations over seeds.

    Attributes:
        name: Identifies it within the suite.
        title: Its heading.
        metric: What is shown; several metrics become columns.
        rows: Dimensions down the side.
        columns: Dimensions across.
        where: Restricts dimensions to a value or a list; ``x = "last"`` is the end of each curve.
        methods: Methods or origins to show; all if empty.
        lower: Whether less is better; known for seconds, memory and the like.
        digits: Decimals; three significant digits for seconds and memory if not given.
        note: A sentence below the table.
    """

    name: str
    title: str
    metric: Names
    rows: Names = ["method"]
    columns: Names = ["glitch"]
    where: Where = {}
    methods: Names = []
    lower: bool | None = None
    digits: int | None = None
    note: str = ""


class PlotSpec(_Declared):
    """A drawing of results: lines (mean and standard deviation over seeds) or bars.

    Attributes:
        name: Names its file.
        title: Its heading.
        kind: ``lines`` or ``bars``.
        metric: What is drawn upwards.
        x: The dimension across.
        lines: The dimension told apart by colour.
        where: As in a table.
        panels: The dimension that gives one panel a value; none if empty.
        methods: As in a table.
        log_x: Whether the axis across is logarithmic.
        log_y: Whether the axis upwards is.
        x_label: Words for the axis across.
        y_label: Words for the axis upwards.
        note: A sentence below the drawing.
    """

    name: str
    title: str
    kind: Literal["lines", "bars"] = "lines"
    metric: str
    x: str = "x"
    lines: str = "method"
    where: Where = {}
    panels: str = ""
    methods: Names = []
    log_x: bool = False
    log_y: bool = False
    x_label: str = ""
    y_label: str = ""
    note: str = ""


class FigureSpec(_Declared):
    """A drawing that is not a table of results.

    Attributes:
        name: Names its file.
        title: Its heading.
        function: ``module:function``; the function is given the path of the SVG file to write.
        note: A sentence below it.
    """

    name: str
    title: str
    function: str = Field(pattern=r"^[\w.]+:\w+$")
    note: str = ""


class Suite(_Declared):
    """What is measured and how it is shown.

    Attributes:
        name: Name of the file; given, not declared.
        source: What the command is given to find it; given, not declared.
        title: Heading of its page.
        question: What it answers, in a sentence or two.
        minutes: About how long it takes on two cores from nothing.
        notes: Facts that the reader must know.
        needs: Data sets that must be there.
        modules: Further Python modules that register experiments and methods.
        workers: Most processes side by side; 1 where times are measured.
        in_all: Whether the suite is one of ``all``.
        cells: What is measured.
        tables: Tables of the page.
        plots: Drawings of results.
        figures: Other drawings.
    """

    name: str
    source: str
    title: str
    question: str
    minutes: float = Field(gt=0)
    notes: list[str] = []
    needs: Names = []
    modules: Names = []
    workers: int | None = Field(default=None, ge=1)
    in_all: bool = True
    cells: list[Block] = Field(min_length=1)
    tables: list[TableSpec] = []
    plots: list[PlotSpec] = []
    figures: list[FigureSpec] = []


def bundled_suites() -> list[str]:
    """Names of the suites that come with the package, sorted."""
    folder = resources.files("benchmarks") / "suites"
    return sorted(
        one.name.removesuffix(".toml") for one in folder.iterdir() if one.name.endswith(".toml")
    )


def open_suite(suite: str) -> Suite:
    """Read a suite by its name or from the path of a TOML file.

    Raises:
        InputError: There is no such suite, or the file does not declare one.
    """
    if not suite.endswith(".toml"):
        if suite not in bundled_suites():
            raise InputError(
                "the name of a suite or the path of a TOML file",
                repr(suite),
                f"Known: {', '.join(bundled_suites())}",
            )
        source = resources.files("benchmarks") / "suites" / f"{suite}.toml"
        return parse_suite(source.read_text("utf-8"), suite)
    path = Path(suite)
    if not path.is_file():
        raise InputError(f"a TOML file at {path}", "no file", "Check the path")
    return parse_suite(path.read_text("utf-8"), path.stem, path.name)


def parse_suite(text: str, name: str, source: str = "") -> Suite:
    """Read the declaration of a suite.

    Args:
        text: TOML.
        name: Names the files of results.
        source: What the command was given to find it; its name if empty.

    Raises:
        InputError: No TOML, an unknown key, a missing one, or a value of another kind.
    """
    try:
        suite = Suite.model_validate(
            {**tomllib.loads(text), "name": name, "source": source or name}
        )
        for block in suite.cells:
            block.at_full_size()  # an override may be wrong, too
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"TOML in the suite {name!r}", str(error), "Correct the file") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the top"
        raise InputError(
            f"the declaration of a suite in {name!r}",
            f"{first['msg'].lower()} at {place!r}",
            "Correct the file; docs/bench.md lists the keys",
        ) from error
    tables = [one.name for one in suite.tables]
    drawings = [one.name for one in suite.plots] + [one.name for one in suite.figures]
    for names in (tables, drawings):
        repeated = sorted({one for one in names if names.count(one) > 1})
        if repeated:
            raise InputError(
                f"tables and drawings with names of their own in {name!r}",
                f"{repeated[0]!r} more than once",
                "Choose another name",
            )
    return suite
