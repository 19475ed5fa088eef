"""Prompts and responses, which have no labels."""

from typing import ClassVar, final

from chaffinch.core.errors import InputError
from chaffinch.pipeline.labelled import OF_PROMPTS
from chaffinch.pipeline.outcome import Result
from chaffinch.pipeline.prompts import OWN_OPTIONS, PromptRequest, holds_prompts, scan_prompts
from chaffinch.pipeline.scan_input import ScanInput
from chaffinch.tasks.task import Task


@final
class PromptsTask(Task):
    """Responses judged by their texts, and by the losses of a causal model where one is given."""

    name: ClassVar[str] = OF_PROMPTS
    noun: ClassVar[str] = "response"

    def recognises(self, given: ScanInput) -> bool:
        """Options for prompts, or a table with their columns and without labels."""
        if any(getattr(given.options, name) is not None for name in OWN_OPTIONS):
            return True
        if given.label is not None:
            return False
        try:
            table = given.table
        except InputError:  # whoever opens the data says what is wrong with them
            return False
        return holds_prompts(given.data if table is None else table.frame)

    def scan(self, given: ScanInput) -> Result:
        """Read, judge and keep.

        Raises:
            InputError: A label column beside prompts, or any reason of `scan_prompts`.
        """
        if given.label is not None:
            raise InputError(
                "labelled samples, or prompts and responses",
                "label and columns of prompts",
                "Name one",
            )
        request = PromptRequest.of(given.data, given.model, given.validation)
        return scan_prompts(request, given.options)
