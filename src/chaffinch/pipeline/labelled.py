"""Whether a run is on classes, as much that is done with a run asks for."""

from chaffinch.core.errors import InputError
from chaffinch.store.run import RunRecord

OF_PROMPTS = "prompts"
"""What the configuration of a run on prompts and responses says that it is of."""

OF_CLASSES = "classification"
"""The task of runs on labels that are classes."""


def task_name(record: RunRecord) -> str:
    """The task of a run; runs of older versions are on classes or on prompts."""
    if record.task is not None:
        return record.task.name
    return OF_PROMPTS if record.configuration.get("of") == OF_PROMPTS else OF_CLASSES


def need_labels(record: RunRecord) -> None:
    """Refuse a run on prompts and responses, or on labels that are no classes.

    Raises:
        InputError: It is one.
    """
    refuse_prompts(record)
    name = task_name(record)
    if name != OF_CLASSES:
        raise InputError(
            "a run on classes",
            f"one of the task {name!r}",
            "Mend these by hand: findings.parquet says which and why",
        )


def refuse_prompts(record: RunRecord) -> None:
    """Refuse a run on prompts and responses, which have no labels.

    Raises:
        InputError: It is one.
    """
    if task_name(record) == OF_PROMPTS:
        raise InputError(
            "a run on labelled samples",
            "one on prompts and responses",
            "Mend these by hand: findings.parquet says which and why",
        )
