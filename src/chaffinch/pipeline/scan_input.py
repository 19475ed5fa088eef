"""What a scan was given, looked at only as far as somebody asks."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from chaffinch.core.dataset import Dataset
from chaffinch.data import open_data
from chaffinch.data.file import READERS, is_url, suffix_of
from chaffinch.data.opening import TableFile, columns_of, read_table_file
from chaffinch.pipeline.options import ScanOptions

Model = nn.Module | Callable[..., nn.Module] | str
"""The user's model: itself, what makes it, MODULE:FACTORY, or the folder of an encoder of texts."""


@dataclass(frozen=True, eq=False)
class ScanInput:
    """The data of a scan as the user named them, with the checked options.

    Attributes:
        data: What is scanned.
        label: Column of the labels.
        model: The user's model.
        validation: Clean data.
        options: The checked options.
        known_errors: (N,) samples known to be wrong, in demonstrations; only reported.
    """

    data: Any
    label: str | None
    model: Model | Path | None
    validation: Any
    options: ScanOptions
    known_errors: Any = None

    @classmethod
    def of(
        cls,
        data: Any,
        label: str | None = None,
        model: Model | Path | None = None,
        validation: Any = None,
        **options: Any,
    ) -> "ScanInput":
        """Check the options.

        Args:
            data: What is scanned.
            label: Column of the labels.
            model: The user's model.
            validation: Clean data.
            **options: Those of `ScanOptions`, and ``known_errors``.

        Raises:
            InputError: An unknown option or a value out of range.
        """
        known = options.pop("known_errors", None)
        column = None if label is None else str(label)
        return cls(data, column, model, validation, ScanOptions.of(**options), known)

    def of_task(self, name: str) -> "ScanInput":
        """The same where ``auto`` is replaced by the name of the task; nothing is opened anew."""
        known = replace(self, options=self.options.model_copy(update={"task": name}))
        for part in ("dataset", "table"):
            if part in self.__dict__:
                known.__dict__[part] = self.__dict__[part]
        return known

    @cached_property
    def dataset(self) -> Dataset:
        """The data, opened once, with the samples that cannot be judged.

        Raises:
            InputError: Data that cannot be opened.
        """
        options = self.options
        return open_data(
            self.data if self.table is None else self.table,
            label=self.label,
            id_column=options.id_column,
            text_column=options.text_column,
            group=options.group,
            series=options.series,
            trainable=False,
            max_pixels=options.max_pixels,
            **options.written,
        )

    @cached_property
    def table(self) -> TableFile | None:
        """The data, read once, where they are a table file; None for others.

        Raises:
            InputError: A file that cannot be read.
        """
        if not isinstance(self.data, str | os.PathLike):
            return None
        path = os.fspath(self.data)
        path = path if is_url(path) else os.path.expanduser(path)
        if suffix_of(path) not in READERS or (not is_url(path) and not os.path.isfile(path)):
            return None
        options = self.options
        columns = columns_of(
            self.label,
            options.id_column,
            options.text_column,
            group=options.group,
            series=options.series,
            **options.written,
        )
        return read_table_file(path, columns)

    @property
    def location(self) -> str:
        """Absolute path or URL of data in files, "" for data in memory."""
        return place_of(self.data)


def place_of(data: Any) -> str:
    """Absolute path or URL of data in files, "" for data in memory."""
    if not isinstance(data, str | os.PathLike):
        return ""
    path = os.fspath(data)
    return path if is_url(path) else os.path.abspath(os.path.expanduser(path))
