"""Whether a run is on labelled samples, as most that is done with a run asks for."""

from chaffinch.core.errors import InputError
from chaffinch.store.run import RunRecord

OF_PROMPTS = "prompts"
"""What the configuration of a run on prompts and responses says that it is of."""


def need_labels(record: RunRecord) -> None:
    """Refuse a run on prompts and responses.

    Raises:
        InputError: It is one.
    """
    if record.configuration.get("of") == OF_PROMPTS:
        raise InputError(
            "a run on labelled samples",
            "one on prompts and responses",
            "Mend these by hand: findings.parquet says which and why",
        )
