"""A benchmark from its name to its page."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.catalogue import load_catalogue
from benchmarks.engine.plan import Choice, Plan, plan_suite
from benchmarks.engine.suite import Suite, bundled_suites, open_suite
from benchmarks.engine.worker import Failure


def default_cache() -> Path:
    """Where results are kept: ``CHAFFINCH_CACHE``, else ``~/.cache/chaffinch``, under ``bench``."""
    folder = os.environ.get("CHAFFINCH_CACHE")
    return (Path(folder) if folder else Path.home() / ".cache" / "chaffinch") / "bench"


@dataclass(frozen=True)
class Session:
    """How suites are run.

    Attributes:
        out: Folder of the pages.
        cache: Where results are kept between runs.
        workers: Most processes side by side.
        fresh: Whether to measure again what is in the cache.
        pages: Whether to measure nothing and only write the page of what is in the cache.
    """

    out: Path
    cache: Path = field(default_factory=default_cache)
    workers: int = 1
    fresh: bool = False
    pages: bool = False

    def run(
        self, suite: Suite, choice: Choice, say: Callable[[str], None] = lambda _: None
    ) -> tuple[Path, list[Failure]]:
        """Measure what is missing, and write the page.

        Args:
            suite: The suite.
            choice: The part of it that is wanted.
            say: Told what is about to be done.

        Returns:
            The path of the page, and what failed.

        Raises:
            InputError: The suite names something that there is not, or data are missing.
        """
        load_catalogue(suite.modules)
        if not self.pages:
            check_data(suite)
        return self.measure(plan_suite(suite, choice), say)

    def measure(self, plan: Plan, say: Callable[[str], None]) -> tuple[Path, list[Failure]]:
        """Run a plan."""
        from benchmarks.engine.part import CellFolder
        from benchmarks.engine.results import gather
        from benchmarks.engine.runner import jobs_to_do, run_plan
        from benchmarks.page.page import write_page

        if self.pages:
            return write_page(plan, gather(plan, self.cache, ()), self.out), []
        if self.fresh:
            for job in plan.jobs:
                CellFolder(self.cache, job.cell).forget(job.methods)
        left = len(jobs_to_do(plan, self.cache))
        say(f"{plan.suite.name}: {len(plan.jobs)} cells, {len(plan.jobs) - left} measured before")
        failures = run_plan(plan, self.cache, self.workers)
        page = write_page(plan, gather(plan, self.cache, failures), self.out)
        return page, failures


def check_data(suite: Suite) -> None:
    """See that the data sets are there that the suite needs.

    Raises:
        InputError: One is not.
    """
    from benchmarks.data import NAMES, data_folder, load_source, need_file

    folder = data_folder() or Path()
    for name in suite.needs:
        if name in NAMES:
            load_source(name)
        else:
            files = [
                file for file in (f"{name}.npz", f"{name}.parquet") if (folder / file).is_file()
            ]
            need_file(files[0] if files else f"{name}.npz")


def find_suites(names: Sequence[str]) -> list[Suite]:
    """Open suites by name or path; ``all`` stands for those that come with the package.

    Raises:
        InputError: There is no such suite.
    """
    if list(names) == ["all"]:
        return [suite for suite in map(open_suite, bundled_suites()) if suite.in_all]
    return [open_suite(name) for name in names]
