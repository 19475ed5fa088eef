"""What a reader must know of the assumptions behind the number of wrong labels."""

from chaffinch.core.labels import Labels
from chaffinch.diagnosis.label_noise import LabelNoise

_WORTH_TELLING = 0.02
_MOST_NAMED = 3
_SET_ASIDE = (
    "The labels of the validation samples contradict what the training labels teach so often that "
    "they seem to mean something else (mapped or shifted classes?), so they were set aside. Check "
    "that both use the same labels."
)


def noise_notes(noise: LabelNoise, labels: Labels) -> tuple[str, ...]:
    """Sentences on what was assumed of the labels, and how far that decides the rate."""
    notes = []
    if noise.used_validation is False:
        notes.append(_SET_ASIDE)
    if noise.pairs:
        named = [
            f"{one.rate:.0%} of {labels.names[one.right]} seem to be labelled "
            f"{labels.names[one.given]}"
            for one in noise.pairs[:_MOST_NAMED]
        ]
        more = len(noise.pairs) - len(named)
        notes.append("; ".join(named) + (f"; and {more} more such pairs." if more else "."))
    if noise.high - noise.low > _WORTH_TELLING:
        notes.append(
            f"Between {noise.low:.1%} and {noise.high:.1%} of the labels may be wrong: the surest "
            "predictions contradict the former; it is the latter if each sample has one right "
            f"class. {_assumed(noise)}"
        )
    return tuple(notes)


def _assumed(noise: LabelNoise) -> str:
    checked = "Thirty checked labels tell (chaffinch calibrate)."
    if noise.assume == "crisp":
        return f"{noise.rate:.1%} was taken, as assume='crisp' says. {checked}"
    if noise.used_validation:
        return f"{noise.rate:.1%} was taken, because validation samples say so. {checked}"
    if noise.crispness > 0:
        return (
            f"{noise.rate:.1%} was taken, because labels that sure predictions contradict look "
            "like mistakes on hard samples; if labels are outcomes or opinions, use "
            f"assume='graded'. {checked}"
        )
    return (
        f"{noise.rate:.1%} was taken: other contradictions were taken for ambiguity. If each "
        f"sample has one right class, use assume='crisp'. {checked}"
    )
