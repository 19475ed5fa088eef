"""Corruptions of samples: the label stays, the sample becomes an outlier."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream
from chaffinch.core.types import Mask
from chaffinch.corruptions.choice import choose_rows, everyone
from chaffinch.corruptions.corrupted import OUTLIER, Corrupted, untouched
from chaffinch.corruptions.sample import Form, Samples, describe, form_of, replace_rows, take

Transform = Callable[[Any, int, np.random.Generator], Any]
SEVERITIES = (1, 2, 3, 4, 5)
_FORMS = {
    "image": "uint8 images of shape (N, H, W) or (N, H, W, C)",
    "table": "a DataFrame or a numeric array of shape (N, I)",
    "text": "a list of texts",
}


@dataclass(frozen=True, eq=False)
class SampleCorruption:
    """A way to spoil samples; called like any other corruption.

    Attributes:
        name: What suites call it.
        form: The form of samples that it spoils.
        transform: ``transform(samples, severity, random)`` gives n spoilt samples of the same form
            and types for n samples, which it leaves alone.
    """

    name: str
    form: Form
    transform: Transform

    def __call__(
        self,
        samples: Samples,
        labels: Iterable[Any],
        rate: float,
        seed: int,
        *,
        severity: int = 3,
        among: Mask | None = None,
    ) -> Corrupted:
        """Spoil a share of the samples.

        Args:
            samples: N samples of the form that this corruption is for.
            labels: (N,) their labels, which stay as they are.
            rate: Share to spoil, in 0..1; rounded to a whole number of samples.
            seed: Chooses samples and whatever the corruption draws.
            severity: From 1 (slight) to 5 (extreme).
            among: (N,) samples that may be spoilt; None for all.

        Raises:
            InputError: Samples of another form, a rate outside 0..1, or an unknown severity.
        """
        clean = untouched(samples, labels)
        check_severity(severity)
        if form_of(samples) != self.form:
            raise InputError(
                f"{_FORMS[self.form]} for {self.name!r}",
                describe(samples),
                "Spoil samples in their natural form, before they are encoded",
            )
        random = stream(seed, f"corruption {self.name}")
        chosen = choose_rows(rate, everyone(among, len(clean)), random)
        spoilt = samples
        if len(chosen):
            changed = self.transform(take(samples, chosen), severity, random)
            spoilt = replace_rows(samples, chosen, changed)
        kinds, details = clean.kinds.copy(), clean.details.copy()
        kinds[chosen] = OUTLIER
        details[chosen] = f"{self.name}, severity {severity}"
        return replace(clean, samples=spoilt, kinds=kinds, details=details)


SAMPLE_CORRUPTIONS: dict[str, SampleCorruption] = {}
"""All corruptions of samples by name."""


def sample_corruption(form: Form) -> Callable[[Transform], SampleCorruption]:
    """Register a transformation of samples of that form under the function's name."""

    def register(transform: Transform) -> SampleCorruption:
        made = SampleCorruption(transform.__name__, form, transform)
        object.__setattr__(made, "__doc__", transform.__doc__)
        SAMPLE_CORRUPTIONS[made.name] = made
        return made

    return register


def check_severity(severity: int) -> None:
    """Refuse a severity that does not exist.

    Raises:
        InputError: Not a whole number from 1 to 5.
    """
    if severity not in SEVERITIES:
        raise InputError("a severity from 1 to 5", repr(severity), "3 is the default")
