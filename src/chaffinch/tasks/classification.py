"""Labels that are one of C classes."""

from typing import ClassVar, final

from chaffinch.pipeline.labelled import OF_CLASSES
from chaffinch.pipeline.outcome import Result
from chaffinch.pipeline.request import prepare
from chaffinch.pipeline.scan import perform
from chaffinch.pipeline.scan_input import ScanInput
from chaffinch.tasks.task import Task


@final
class Classification(Task):
    """One class of C for each sample; networks are trained, whose whole course is the evidence."""

    name: ClassVar[str] = OF_CLASSES

    def recognises(self, given: ScanInput) -> bool:  # noqa: ARG002
        """Whatever no other task takes."""
        return True

    def scan(self, given: ScanInput) -> Result:
        """Train, judge and keep."""
        return perform(prepare(given))
