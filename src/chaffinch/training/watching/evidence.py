"""From the records of a watch to evidence that scorers and the diagnosis understand."""

from pathlib import Path
from typing import Any

import numpy as np

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Floats, Mask, Strings
from chaffinch.store import EvidenceFolder
from chaffinch.training.watching.archive import Archive


def filled(values: Floats, kept: Mask) -> Floats:
    """(E, n, ...) records of the `kept` samples; gaps take the value of the epoch before.

    Gaps at the beginning take the first value that there is.

    Args:
        values: (E, N, ...) with NaN where a sample did not come in an epoch.
        kept: (N,) samples that came in one epoch at least.
    """
    found = np.array(values[:, kept])
    for epoch in range(1, len(found)):
        gaps = np.isnan(found[epoch])
        found[epoch][gaps] = found[epoch - 1][gaps]
    for epoch in range(len(found) - 2, -1, -1):
        gaps = np.isnan(found[epoch])
        found[epoch][gaps] = found[epoch + 1][gaps]
    return found


def make_evidence(
    archive: Archive,
    ids: Strings,
    labels: Labels,
    bias: bool,
    groups: SampleGroups | None = None,
) -> Evidence:
    """Write the evidence of all finished epochs to ``evidence`` in the archive's folder.

    Args:
        archive: Holds the records.
        ids: (N,) names of the samples.
        labels: Of the N samples, unknown for those that never came; these are left out.
        bias: Whether the last linear layer has one.
        groups: Source, annotator or time slice of each sample, or None.

    Raises:
        InputError: No epoch is finished, or outputs were not kept.
    """
    logits = archive.record("logits", len(labels.classes)).open()
    if not len(logits):
        raise InputError(
            "outputs of at least one finished epoch",
            "none",
            "Finish an epoch and watch with logits=True",
        )
    kept = labels.known
    records: dict[str, Any] = {"logits": filled(logits, kept)}
    norms = archive.record("feature_norm").open()
    norms = filled(norms, kept)
    if norms.size and np.isfinite(norms).all():
        records["feature_norms"] = norms
    rates = np.asarray(rates_of(archive), dtype=np.float32)
    if len(rates) == len(logits) and np.isfinite(rates).all():
        records["learning_rates"] = rates
    folder = EvidenceFolder(archive.path / "evidence")
    (Path(folder.path) / "evidence.json").unlink(missing_ok=True)  # until it is whole again
    labels = Labels(labels.codes[kept], labels.classes)
    apart = None if groups is None else groups.take(np.flatnonzero(kept))
    folder.finish(Evidence(ids[kept], labels, bias=bias, groups=apart, **records))
    return folder.load()


def rates_of(archive: Archive) -> Floats:
    """(E,) learning rates of the epochs."""
    file = archive.path / "records" / "learning_rate.npy"
    return (
        Archive(archive.path, 1).record("learning_rate").open()[:, 0]
        if file.is_file()
        else (np.empty(0, np.float32))
    )
