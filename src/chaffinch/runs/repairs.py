"""From the findings of a run to a plan, to repaired data, and to whether they help."""

import os
from pathlib import Path
from typing import Any, Unpack

from chaffinch.pipeline.outcome import Result
from chaffinch.pipeline.repairing import (
    apply_run,
    plan_kept,
    propose_for,
    propose_run,
    with_form,
    write_plan,
)
from chaffinch.pipeline.run_data import data_of, fitted
from chaffinch.pipeline.task_steps import written
from chaffinch.pipeline.verification import Outcome
from chaffinch.pipeline.verifying import VerifyKeywords, verify_for, verify_run
from chaffinch.repair.plan import Plan
from chaffinch.repair.policy import Policy
from chaffinch.repair.trimming import Trimming
from chaffinch.runs.given import Given
from chaffinch.runs.kept import KeptRun
from chaffinch.store.run import RunFolder


class RepairableRun(KeptRun):
    """The part of a run that repairs its data; see `Run`.

    Args:
        result: What was found.
        folder: Where it is kept; None for memory.
        given: Data, validation data and model, as they were passed.
    """

    def __init__(
        self, result: Result, folder: RunFolder | None = None, given: Given | None = None
    ) -> None:
        super().__init__(result, folder, given)
        self._plan: Plan | None = None

    def propose(
        self,
        policy: str | Path | Policy | Trimming = "balanced",
        *,
        by: str | None = None,
        budget: float = 0.05,
        out: "str | os.PathLike[str] | None" = None,
        ledger: str | None = None,
    ) -> Plan:
        """Propose what to do about the findings; nothing is changed.

        Args:
            policy: ``gentle``, ``balanced``, ``strict``, a TOML file, or a `Policy`.
            by: A scorer, or ``suspicion``: in place of a policy the most suspicious share by it is
                left out; see `chaffinch.repair.Trimming`.
            budget: That share.
            out: A further copy of the plan, .json or .csv.
            ledger: Where the plan is recorded; see `chaffinch.pipeline.ledger.ledger_for`.

        Returns:
            The plan. A run with a folder keeps it there, and reviewers' decisions go before it.

        Raises:
            InputError: No such policy, a file that exists, or a run on prompts.
        """
        target = None if out is None else Path(out)
        if by is not None:
            policy = Trimming(by, budget, self.info.seed)
        if self._folder is not None:
            self._plan = propose_run(self._folder, policy, target, ledger)
        else:
            self._plan = propose_for(self.info, self.findings, self._result.evidence, policy)
            if target is not None:
                write_plan(self._plan, target)
        return self._plan

    def plan(self, file: "str | os.PathLike[str] | None" = None) -> Plan:
        """The plan in a file, or that of the run, which is proposed if there is none yet.

        Raises:
            InputError: No plan in the file, or any reason of `propose`.
        """
        if file is not None:
            return Plan.read(Path(file))
        kept = self._plan if self._folder is None else plan_kept(self._folder)
        return self.propose() if kept is None else kept

    def apply(
        self,
        plan: "Plan | str | os.PathLike[str] | None" = None,
        out: "str | os.PathLike[str] | None" = None,
        *,
        data: Any = None,
        overwrite: bool = False,
        links: bool = False,
        seed: int = 0,
        ledger: str | None = None,
    ) -> Any:
        """Give a repaired copy of the data; the data themselves are left as they are.

        Args:
            plan: The plan, or a file with one; by default that of the run.
            out: Where to write it, in the same format; None for a copy in memory.
            data: The data, or where they lie now; by default those of the run.
            overwrite: Whether ``out`` may be replaced, if Chaffinch wrote it.
            links: Whether images are linked instead of copied.
            seed: Decides every random choice.
            ledger: Where it is recorded; see `chaffinch.pipeline.ledger.ledger_for`.

        Returns:
            ``out``, or the repaired data in the form in which they came; see `Plan.apply`.

        Raises:
            InputError: Nobody named the data, or any reason of `Plan.apply`.
        """
        chosen, place = self._planned(plan), self._data(data)
        how: Any = {"overwrite": overwrite, "links": links, "seed": seed}
        if self._folder is not None:
            target = None if out is None else Path(out)
            where: Any = {"record": self.info, "ledger": ledger}
            return apply_run(self._folder, chosen, target, place, **where, **how)
        found = data_of(self.info, place)
        mine = fitted(with_form(chosen, self.info), self.info, self.table, found)
        return written(self.info, mine, found, out=out, **how)

    def verify(
        self,
        plan: "Plan | str | os.PathLike[str] | None" = None,
        validation: Any = None,
        *,
        data: Any = None,
        ledger: str | None = None,
        **options: Unpack[VerifyKeywords],
    ) -> Outcome:
        """Say whether a plan helps, by training on the data with it and without.

        Args:
            plan: The plan, or a file with one; by default that of the run.
            validation: Clean data of the same kind; by default those of the run, if it had any.
            data: The data, or where they lie now; by default those of the run.
            ledger: Where it is recorded; see `chaffinch.pipeline.ledger.ledger_for`.
            **options: See `VerifyKeywords`.

        Returns:
            The outcome. A run with a folder keeps it there.

        Raises:
            InputError: Nobody named the data, or any reason of `chaffinch.verify`.
        """
        chosen, place = self._planned(plan), self._data(data)
        held = self._given.validation if validation is None else validation
        options.setdefault("model", self._given.model)
        options.setdefault("encoder", self._given.encoder)
        if self._folder is None:
            return verify_for(self.info, self.findings, chosen, place, held, **options)
        return verify_run(
            self._folder,
            chosen,
            place,
            held,
            record=self.info,
            ledger=ledger,
            own=plan is None,
            **options,
        )

    def _planned(self, plan: "Plan | str | os.PathLike[str] | None") -> Plan:
        return plan if isinstance(plan, Plan) else self.plan(plan)
