"""Clusters of anomalies: near ones out of the data themselves, far ones from elsewhere.

After Myrtakis et al. (2024), who tell anomalies that form a small cluster close to the data (a
class that has become a rare event) from those that form one far away (samples of another data set).
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.randomness import stream
from chaffinch.core.types import Mask
from chaffinch.corruptions.choice import choose_rows, everyone, exact_count
from chaffinch.corruptions.corrupted import FAR_CLUSTER, NEAR_CLUSTER, Corrupted, untouched
from chaffinch.corruptions.sample import Samples, check_aligned, replace_rows, take


def near_cluster(
    samples: Samples,
    labels: Iterable[Any],
    rate: float,
    seed: int,
    *,
    rare: Any = None,
    label: Any = None,
    keep_label: bool = False,
    among: Mask | None = None,
) -> Corrupted:
    """Down-sample one class to a rare event that carries the label of another class.

    A sub-population that nobody named: its few samples were put under some other class, so that
    the label set no longer knows them. All other samples of that class are removed; all other
    classes stay whole, in their order.

    Args:
        samples: N samples.
        labels: (N,) labels of any type.
        rate: How many samples of the rare class stay: ``round(rate * N)``, N being the samples
            passed in.
        seed: Chooses the classes and the samples that stay.
        rare: The class that becomes rare; None for a random one with enough samples.
        label: The class whose label it gets; None for a random one.
        keep_label: Leave the rare samples their own label: a class that is rare but right.
        among: (N,) samples that may be changed or removed; None for all.

    Returns:
        N' <= N samples. `Corrupted.truth` of the rare ones is their own class.

    Raises:
        InputError: A rate outside 0..1, fewer than three classes (two with ``keep_label``), an
            unknown class, or no class with enough samples.
    """
    clean = untouched(samples, labels)
    given = Labels.of(clean.labels)
    least = 2 if keep_label else 3
    if len(given.classes) < least:
        raise InputError(
            f"at least {least} classes, so that two remain without the rare one",
            str(len(given.classes)),
            "Pass other labels" if keep_label else "Pass other labels, or keep_label=True",
        )
    random = stream(seed, "near cluster")
    free = everyone(among, len(given))
    count = exact_count(rate, len(given))
    code = _rare_code(given, free, count, rare, random)
    other = code if keep_label else _partner_code(given, code, label, random)
    members = np.flatnonzero(given.codes == code)
    stay = random.choice(members[free[members]], count, replace=False)
    kept = np.ones(len(given), dtype=np.bool_)
    kept[members[free[members]]] = False
    kept[stay] = True
    kinds, values, details = clean.kinds.copy(), clean.labels.copy(), clean.details.copy()
    kinds[stay], values[stay] = NEAR_CLUSTER, given.classes[other]
    details[stay] = f"rare class {given.names[code]}"
    return _rows(replace(clean, kinds=kinds, labels=values, details=details), np.flatnonzero(kept))


def far_cluster(
    samples: Samples,
    labels: Iterable[Any],
    rate: float,
    seed: int,
    *,
    foreign: Samples,
    foreign_labels: Iterable[Any] | None = None,
    label: Any = None,
    among: Mask | None = None,
) -> Corrupted:
    """Put samples of another data set in the place of some, all with one label.

    Args:
        samples: N samples.
        labels: (N,) labels of any type.
        rate: Share of the samples that are replaced, in 0..1.
        seed: Chooses the samples, their replacements and the label.
        foreign: Samples of the same form, size and element type.
        foreign_labels: Their classes: then all replacements are of one, chosen at random among
            those with enough samples. None to draw from all of them.
        label: The class whose label they get; None for a random one.
        among: (N,) samples that may be replaced; None for all.

    Returns:
        N samples. `Corrupted.truth` of the foreign ones is None, their `Corrupted.source` -1.

    Raises:
        InputError: A rate outside 0..1, foreign samples of another form or too few of them, or an
            unknown label.
    """
    clean = untouched(samples, labels)
    given = Labels.of(clean.labels)
    random = stream(seed, "far cluster")
    chosen = choose_rows(rate, everyone(among, len(given)), random)
    pool, described = np.arange(len(foreign)), "another data set"
    if foreign_labels is not None:
        classes = Labels.of(foreign_labels)
        check_aligned(foreign, classes.codes)
        everywhere = np.ones(len(classes), dtype=np.bool_)
        code = _rare_code(classes, everywhere, len(chosen), None, random)
        pool = np.flatnonzero(classes.codes == code)
        described = f"class {classes.names[code]} of another data set"
    if len(pool) < len(chosen):
        raise InputError(
            f"at least {len(chosen)} foreign samples", str(len(pool)), "Pass more, or lower rate"
        )
    drawn = random.choice(pool, len(chosen), replace=False)
    other = _partner_code(given, -1, label, random)
    values, kinds, source = clean.labels.copy(), clean.kinds.copy(), clean.source.copy()
    truth, details = clean.truth.copy(), clean.details.copy()
    values[chosen], kinds[chosen], source[chosen] = given.classes[other], FAR_CLUSTER, -1
    truth[chosen], details[chosen] = None, described
    mixed = replace_rows(samples, chosen, take(foreign, drawn))
    return Corrupted(mixed, values, kinds, source, truth, details)


def _rare_code(
    given: Labels, free: Mask, count: int, wanted: Any, random: np.random.Generator
) -> int:
    """A class with at least ``count`` free samples."""
    counts = np.bincount(given.codes[free], minlength=len(given.classes))
    codes = np.arange(len(counts)) if wanted is None else np.array([_code_of(given, wanted)])
    enough = codes[counts[codes] >= count]
    if not len(enough):
        raise InputError(
            f"a class with at least {count} samples",
            f"{counts[codes].max()} in the largest",
            "Lower the rate, or choose another class",
        )
    return int(random.choice(enough))


def _partner_code(given: Labels, code: int, wanted: Any, random: np.random.Generator) -> int:
    """Another class than ``code``."""
    if wanted is None:
        codes = np.arange(len(given.classes))
        return int(random.choice(codes[codes != code]))
    found = _code_of(given, wanted)
    if found == code:
        raise InputError("another class's label", repr(wanted), "Or pass keep_label=True")
    return found


def _code_of(given: Labels, wanted: Any) -> int:
    found = np.flatnonzero(given.classes == wanted)
    if not len(found):
        raise InputError(
            f"one of the classes {', '.join(given.names)}", repr(wanted), "Name one of them"
        )
    return int(found[0])


def _rows(whole: Corrupted, rows: NDArray[np.int64]) -> Corrupted:
    return Corrupted(
        take(whole.samples, rows),
        whole.labels[rows],
        whole.kinds[rows],
        whole.source[rows],
        whole.truth[rows],
        whole.details[rows],
    )
