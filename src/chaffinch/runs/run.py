"""`Run`: what a scan, a judgement or a watched training found, and what can be done about it."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from chaffinch import report as report_pages
from chaffinch.core.errors import InputError
from chaffinch.core.explanation import Explanation
from chaffinch.core.sample_name import Name
from chaffinch.pipeline import calibrate as calibration
from chaffinch.pipeline.check_file import read_check_file
from chaffinch.pipeline.exchange import export_run
from chaffinch.pipeline.explain import explain_run_of_task, explain_table, root_of
from chaffinch.pipeline.history import history_of
from chaffinch.pipeline.labelled import refuse_prompts
from chaffinch.pipeline.ledger import ledger_for
from chaffinch.pipeline.outcome import Result, findings_of
from chaffinch.runs.place import run_folder
from chaffinch.runs.repairs import RepairableRun
from chaffinch.runs.shown_report import ShownReport
from chaffinch.store.nearby import ledger_near


class Run(RepairableRun):
    """What was found in some data, and what can be done about it.

    `chaffinch.scan`, `chaffinch.judge` and `Watch.run` make one; `Run.open` opens one that was
    kept. It shows everything that its `findings` show. Without a folder (``out``) it lives in
    memory: it can be explained, recalibrated, applied and verified, but not exported or reviewed.

    Args:
        result: What was found.
        folder: Where it is kept; None for memory.
        given: Data, validation data and model, as they were passed.
    """

    @classmethod
    def open(cls, path: "str | os.PathLike[str]") -> "Run":
        """Open a run that was kept.

        Args:
            path: Its folder.

        Raises:
            InputError: There is nothing, a run that is not finished, or something that is no run.
            RunError: The run is damaged.
        """
        folder = run_folder(path)
        return cls(Result(folder.record, findings_of(folder, latest=True)), folder)

    def explain(self, samples: Name | Iterable[Name] | None = None) -> list[Explanation]:
        """Say why samples were judged as they were.

        Args:
            samples: One sample or several: ids, rows of the data counted from 0, or files. By
                default the flagged ones, most suspicious first, then some that are protected.

        Raises:
            InputError: No such sample, or a run on prompts.
            RunError: The evidence is missing or damaged.
        """
        refuse_prompts(self.info)
        # Answers do not change why: the evidence is what it was.
        table = self.table if self._folder is None else self._folder.findings
        if self.info.task is not None:
            return explain_run_of_task(self.info, table, samples)
        return explain_table(table, self.evidence, samples, root_of(self.info))

    def calibrate(
        self,
        answers: "Mapping[Any, Any] | pd.DataFrame | str | os.PathLike[str] | None" = None,
        *,
        ledger: str | None = None,
        reviewer: str = "",
    ) -> "Run":
        """Learn from what people say of labels: how many are wrong, and which.

        Args:
            answers: ``{id: right label}`` or a table, as `Findings.calibrate` takes them, or a CSV
                file such as `ask` writes; by default those that are known already.
            ledger: Where answers are recorded; see `chaffinch.pipeline.ledger.ledger_for`.
            reviewer: Who answered, where the answers do not say; by default the user.

        Returns:
            The run as recalibrated. In a folder, the findings of the scan stay beside it.

        Raises:
            InputError: No answers, or ids or labels that are not in the run.
        """
        refuse_prompts(self.info)
        told: Any = answers
        if isinstance(told, str | os.PathLike):
            told = read_check_file(Path(told), self.findings)
        if self._folder is None:
            if told is None:
                raise InputError(
                    "answers", "none", "Pass {id: right label}; to_check says which ids"
                )
            made = calibration.learned(self.findings, told, self._result.evidence)
            return Run(replace(self._result, findings=made), None, self._given)
        made = calibration.calibrate(self.path, told, ledger=ledger, reviewer=reviewer)
        return Run(replace(self._result, findings=made), self._folder, self._given)

    def has_answers(self, *, ledger: str | None = None) -> bool:
        """Whether anybody has said of any sample if its label is right.

        Raises:
            InputError: A run on prompts, or a ledger that cannot be opened.
        """
        refuse_prompts(self.info)
        if self._folder is None:
            return self.answers is not None
        book = ledger_for(self.path, ledger)
        return bool(calibration.answered(self._folder, findings_of(self._folder), book))

    def ask(
        self,
        count: int | None = None,
        out: "str | os.PathLike[str] | None" = None,
        *,
        ledger: str | None = None,
    ) -> calibration.CheckFile | None:
        """Write a file of samples for people to check, for `calibrate`.

        Args:
            count: How many to draw anew; by default those that are still open of an earlier draw,
                or 30.
            out: The file; ``to_check.csv`` in the run by default.
            ledger: Where answers are; see `chaffinch.pipeline.ledger.ledger_for`.

        Returns:
            The file, with its ``path`` and how many ``samples`` it holds; None where all that were
            drawn are answered.

        Raises:
            InputError: A run in memory, nothing left to check, or a file with answers that would
                be lost.
        """
        folder = self._need_folder("a file of samples to check")
        return calibration.ask(folder, count, None if out is None else Path(out), ledger)

    def export(
        self,
        format: str,
        out: "str | os.PathLike[str] | None" = None,
        *,
        rows: str | None = None,
        data: Any = None,
        overwrite: bool = False,
        safe_csv: bool = False,
    ) -> Path:
        """Write the findings as a table or as labelling tasks; see `export_run`.

        Raises:
            InputError: A run in memory, another format, a file that exists, or no data to show.
        """
        folder, place = self._need_folder("an export").path, self._data(data)
        how: dict[str, Any] = {"rows": rows, "overwrite": overwrite, "safe_csv": safe_csv}
        target = None if out is None else Path(out)
        return export_run(folder, format, target, data=place, record=self.info, **how)

    def history(self, *, ledger: str | None = None) -> pd.DataFrame:
        """What happened to the run and its data: versions, plans, verifications, decisions.

        Raises:
            InputError: A run in memory, or no ledger.
        """
        path = self._need_folder("a history").path
        return history_of(ledger_near(path, url=ledger), path)

    def review(
        self,
        *,
        reviewer: str | None = None,
        port: int | None = None,
        host: str = "127.0.0.1",
        browser: bool = True,
        check: int = calibration.COUNT,
        data: Any = None,
        ledger: str | None = None,
        say: Callable[[str], object] = print,
    ) -> int:
        """Serve a page on this computer to look at the findings and decide, until Ctrl-C.

        Args:
            reviewer: The name of the reviewer; by default that of the account.
            port: Of the page; any free one by default.
            host: Name or address of this computer under which it is served; by default 127.0.0.1,
                which no other computer reaches. On a network, whoever gets the printed address
                first can decide in the reviewer's name, and nothing is encrypted.
            browser: Whether to open the page.
            check: How many samples, drawn at random, to check before the queue.
            data: The data, or where they lie now; by default those of the run.
            ledger: Which ledger takes the decisions.
            say: Is told the address.

        Returns:
            How many decisions were recorded.

        Raises:
            InputError: A run in memory, no ledger, or a port that is taken.
        """
        from chaffinch.review.visit import Desk, visit

        folder = self._need_folder("a review")
        desk = Desk(reviewer, port, host, browser, check, self._data(data))
        decided = visit(folder, desk, ledger, say)
        self._result = replace(self._result, findings=findings_of(folder, latest=True))
        return decided

    def report(self) -> Path:
        """Write the report of the run anew.

        Returns:
            ``report.html`` in the folder; a notebook shows the report itself.

        Raises:
            InputError: A run in memory.
            RunError: The file there is not as it was written.
        """
        return ShownReport(report_pages.write(self._need_folder("a report")))
