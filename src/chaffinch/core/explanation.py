"""An explanation: what speaks for and against one sample."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Firing:
    """A scorer by which the sample stands out.

    Attributes:
        scorer: Its name, a column of the findings.
        above: Share of all samples with a lower score, 0..1.
    """

    scorer: str
    above: float


@dataclass(frozen=True)
class Influence:
    """Another sample that pulls the model towards the given label, or away from it.

    Attributes:
        id: Of the other sample.
        label: Its given label, as text.
        similarity: Cosine of the two gradients of the last layer; positive = learning the other
            sample lowers the loss of this one under its given label.
    """

    id: str
    label: str
    similarity: float


@dataclass(frozen=True)
class Neighbour:
    """One of the nearest other samples.

    Attributes:
        id: Of the other sample.
        label: Its given label, as text.
        similarity: Cosine of the two descriptions.
    """

    id: str
    label: str
    similarity: float


@dataclass(frozen=True)
class Explanation:
    """Why one sample was judged as it was; labels are text.

    Attributes:
        id: Of the sample.
        given_label: The label that it came with.
        kind: What the findings call it.
        suspicion: As in the findings.
        why: One sentence.
        firing: Scorers by which it stands out, the most telling first.
        helpers: Samples that speak for the given label, the strongest first.
        opponents: Samples that speak against it, the strongest first.
        neighbours: The nearest samples, the nearest first.
        loss: Loss of the given label, by epoch.
        class_loss: Median loss of the samples of the same label, by epoch.
        counterfactual_label: The likeliest other class; None without predictions.
        counterfactual_probability: What predictions give it, 0..1.
        predicted_by: ``held_out`` (models that never saw the sample), ``trained`` or None.
        stability: Share of epochs and trainings that agree; None where unknown.
        row: Position in the data, from 0; None in runs of older versions.
        source: Its file, or ``FILE:ROW``; "" for data in memory.
    """

    id: str
    given_label: str
    kind: str
    suspicion: float
    why: str
    firing: tuple[Firing, ...] = ()
    helpers: tuple[Influence, ...] = ()
    opponents: tuple[Influence, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    loss: tuple[float, ...] = ()
    class_loss: tuple[float, ...] = ()
    counterfactual_label: str | None = None
    counterfactual_probability: float | None = None
    predicted_by: str | None = None
    stability: float | None = None
    row: int | None = None
    source: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Explanation":
        """From what `to_dict` gave."""
        known = {
            "firing": Firing,
            "helpers": Influence,
            "opponents": Influence,
            "neighbours": Neighbour,
        }
        made: dict[str, Any] = dict(content)
        for name, make in known.items():
            made[name] = tuple(make(**one) for one in content.get(name, ()))
        for name in ("loss", "class_loss"):
            made[name] = tuple(content.get(name, ()))
        return cls(**made)
