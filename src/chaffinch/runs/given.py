"""What a run was made of, where it cannot be found again by its record."""

from dataclasses import dataclass
from typing import Any

from chaffinch.pipeline.snapshot import location_of
from chaffinch.store.run import OriginRecord, RunRecord


@dataclass(frozen=True, eq=False)
class Given:
    """Data, validation data, model and encoder as they were passed; None where they were not."""

    data: Any = None
    validation: Any = None
    model: Any = None
    encoder: Any = None


def with_data(
    record: RunRecord,
    data: Any,
    label: str | None = None,
    id_column: str | None = None,
    text_column: str | None = None,
) -> RunRecord:
    """The record with another place of the data, and how they are opened there."""
    origin = record.origin or OriginRecord()
    changed: dict[str, Any] = {"path": location_of(data) or ""}
    if label is not None:
        changed["label"] = label
    columns = {"id_column": id_column, "text_column": text_column}
    told = {name: value for name, value in columns.items() if value is not None}
    return record.model_copy(
        update={
            "origin": origin.model_copy(update=changed),
            "configuration": {**record.configuration, **told},
        }
    )
