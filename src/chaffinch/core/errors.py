"""Errors that say what was expected, what came and what to do."""


class ChaffinchError(Exception):
    """Any error that Chaffinch raises on purpose.

    Args:
        expected: What was expected, as a phrase ("a column named 'label'").
        got: What came instead.
        remedy: What the reader can do about it, as a sentence without the full stop.
    """

    exit_status = 2

    def __init__(self, expected: str, got: str, remedy: str) -> None:
        # Messages of other libraries have several lines, or none.
        self.expected, self.got, self.remedy = (
            " ".join(part.split()) for part in (expected, got or "nothing", remedy)
        )
        super().__init__(f"Expected {self.expected}; got {self.got}. {self.remedy}.")


class InputError(ChaffinchError, ValueError):
    """The data, the options or the arguments are not usable as they came."""


class RunError(ChaffinchError, RuntimeError):
    """A run folder is incomplete, damaged, or belongs to other work."""


class MissingExtraError(ChaffinchError, ImportError):
    """An optional dependency is not installed.

    Args:
        feature: What the user asked for.
        extra: The extra that provides it, as in ``pip install chaffinch[extra]``.
        module: The module that could not be imported.
    """

    def __init__(self, feature: str, extra: str, module: str) -> None:
        super().__init__(
            expected=f"the extra [{extra}], which {feature} needs",
            got=f"no installed module named {module!r}",
            remedy=f"Install it with: pip install 'chaffinch[{extra}]'",
        )


class CheckFailedError(ChaffinchError):
    """A check ran and its answer is no (a repair that does not help, a missed benchmark bar)."""

    exit_status = 1
