"""Which records a choice of scorers needs beyond those that every scan collects."""

from collections.abc import Sequence
from dataclasses import replace

from chaffinch.core.errors import InputError
from chaffinch.models.factory import make_model
from chaffinch.pipeline.work import Work
from chaffinch.scorers import Choice
from chaffinch.training.dropout import dropout_layers
from chaffinch.training.recorder import check_outputs

_EXTRA = frozenset(
    {
        "features_by_epoch",
        "validation_logits_by_epoch",
        "validation_features_by_epoch",
        "dropout_logits",
        "held_out_dropout_logits",
        "ensemble_logits",
        "fake_class_margins",
        "fake_class_members",
    }
)


def with_records(work: Work, choices: Sequence[Choice], trains: bool) -> Work:
    """The work, with the records that the chosen scorers need and that it can yield.

    Of alternatives, the first is collected.

    Args:
        work: What is to be collected without them.
        choices: The chosen scorers.
        trains: Whether models are trained, or a trained one is looked at.

    Raises:
        InputError: A scorer was asked for by name and cannot get what it needs.
    """
    impossible = _impossible(work, choices, trains)
    for choice in choices:
        for need in choice.scorer.needs if choice.by_name else ():
            reasons = [impossible.get(name) for name in need.split("|")]
            if all(reasons):
                raise InputError(
                    f"what the scorer {choice.scorer.name!r} needs: {need.replace('|', ' or ')}",
                    str(reasons[0]),
                    "Leave the scorer out, or provide it",
                )
    records = _first_needs(choices) & _EXTRA - set(impossible)
    return replace(work, records=records)


def _first_needs(choices: Sequence[Choice]) -> frozenset[str]:
    return frozenset(need.split("|")[0] for choice in choices for need in choice.scorer.needs)


def _impossible(work: Work, choices: Sequence[Choice], trains: bool) -> dict[str, str]:
    """Records that this work cannot yield, and why."""
    needed = _first_needs(choices)
    reasons: dict[str, str] = {}
    if work.encoded.validation is None:
        for kind in ("logits", "features", "codes", "embeddings"):
            reasons[f"validation_{kind}"] = "no validation data"
        for kind in ("logits", "features"):
            reasons[f"validation_{kind}_by_epoch"] = "no validation data"
    passes = needed & {"dropout_logits", "held_out_dropout_logits"}
    if passes and not dropout_layers(make_model(work.factory, work.seed)):
        reasons |= dict.fromkeys(passes, "a model without dropout layers")
    if not trains or not work.folds:
        for record in ("held_out_logits", "held_out_dropout_logits"):
            reasons[record] = "no models held back from any sample (folds)"
    if not trains:
        reasons["ensemble_logits"] = "a trained model, which is scored as it is"
    for record in ("fake_class_margins", "fake_class_members"):
        if record in needed and (reason := _why_no_fake_class(work, trains)):
            reasons[record] = reason
    return reasons


def _why_no_fake_class(work: Work, trains: bool) -> str | None:
    if not trains:
        return "a trained model, which is scored as it is"
    if work.wider_factory is None:
        return "a model of a fixed number of classes"
    try:
        wider = make_model(work.wider_factory, work.seed).to(work.device)
        check_outputs(wider, work.encoded.inputs, len(work.dataset.labels.classes) + 1)
    except InputError:
        return "a model that does not take the number of classes (num_classes)"
    return None
