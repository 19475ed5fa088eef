"""Alarms about the training."""

import math

from chaffinch.training.alarms.alarm import History, Raised, alarm, share

FEW = 0.01
ENOUGH = 500
PATIENCE = 3
WORSE = 1.1
OVERCONFIDENT = 0.15


@alarm("not_finite", about="training")
def not_finite(history: History) -> Raised | None:
    """A loss is NaN or infinite."""
    now = history[-1]
    if now.validation and not math.isfinite(now.validation.loss):
        return Raised(
            f"validation loss is {now.validation.loss} after epoch {now.epoch + 1}",
            subject="validation",
        )
    if now.broken:
        return Raised(
            f"the loss of {now.broken:,} samples is NaN or infinite in epoch {now.epoch + 1}",
            {"samples": now.broken},
        )
    return None


@alarm("divergence", about="training")
def divergence(history: History) -> Raised | None:
    """The loss on the training samples is far above what it was."""
    now = history[-1]
    best = min(history, key=lambda one: one.loss if math.isfinite(one.loss) else math.inf)
    if not (now.loss > 2 * best.loss + 0.5 and now.accuracy < best.accuracy):
        return None
    return Raised(
        f"training diverges: the mean loss is {now.loss:.3g} in epoch {now.epoch + 1} after "
        f"{best.loss:.3g} in epoch {best.epoch + 1}; a lower learning rate may help",
        {"loss": now.loss, "before": best.loss},
    )


@alarm("overfitting", about="training")
def overfitting(history: History) -> Raised | None:
    """Validation loss rises while training loss falls."""
    now, known = history[-1], [one for one in history if one.validation]
    if now.validation is None:
        return None
    best = min(known, key=lambda one: one.validation.loss if one.validation else math.inf)
    if best.validation is None or now.epoch - best.epoch < PATIENCE or now.loss >= best.loss:
        return None
    if now.validation.loss <= WORSE * best.validation.loss:
        return None
    return Raised(
        f"validation loss has risen from {best.validation.loss:.3g} in epoch {best.epoch + 1} to "
        f"{now.validation.loss:.3g} in epoch {now.epoch + 1}, while training loss fell",
        {"loss": now.validation.loss, "before": best.validation.loss},
    )


@alarm("overconfidence", about="training", severity="note")
def overconfidence(history: History) -> Raised | None:
    """The model is surer than right on the validation samples: confidence above accuracy."""
    found = history[-1].validation
    if found is None or found.count < 100 or not found.overconfidence >= OVERCONFIDENT:
        return None
    return Raised(
        f"confidence on validation samples is {share(found.overconfidence)} above their accuracy "
        f"of {share(found.accuracy)}",
        {"overconfidence": found.overconfidence, "accuracy": found.accuracy},
    )


@alarm("gradient_concentration", about="training", severity="note")
def gradient_concentration(history: History) -> Raised | None:
    """Very few samples carry half of the gradient."""
    now = history[-1]
    found = now.concentration
    if found is None or now.epoch < 1 or now.seen < ENOUGH or found.share > FEW:
        return None
    return Raised(
        f"{share(found.share)} of the samples carry half of the gradient in epoch {now.epoch + 1}",
        {"share": found.share},
        found.ids,
    )


@alarm("disturbing_samples", about="training", severity="note")
def disturbing_samples(history: History) -> Raised | None:
    """A few samples pull against validation in epoch after epoch."""
    found = history[-1].disturbance
    if found is None or found.count < 5 or found.pull < 0.2:
        return None
    return Raised(
        f"{found.count:,} samples have pulled hard against the validation loss in three epochs or "
        f"more in a row, and make up {share(found.pull)} of all that pulls against it",
        {"samples": found.count, "pull": found.pull},
        found.ids,
    )


@alarm("hard_class", about="training", severity="note")
def hard_class(history: History) -> Raised | None:
    """A class is hardly learned while the others are."""
    now = history[-1]
    if now.epoch < 2 or not now.accuracy >= 0.5:
        return None
    worst = min(
        (one for one in now.classes if one.count >= 20), key=lambda one: one.accuracy, default=None
    )
    if worst is None or worst.accuracy > now.accuracy / 5:
        return None
    return Raised(
        f"class {worst.name!r} is hardly learned: {share(worst.accuracy)} of its {worst.count:,} "
        f"labels are met, {share(now.accuracy)} on average",
        {"accuracy": worst.accuracy, "average": now.accuracy},
        subject=worst.name,
    )


@alarm("unseen_samples", about="training", severity="note")
def unseen_samples(history: History) -> Raised | None:
    """Some samples never come."""
    now = history[-1]
    if now.epoch < 1 or now.never <= 0.01 * now.samples:
        return None
    return Raised(
        f"{now.never:,} of {now.samples:,} samples have never come in {now.epoch + 1} epochs",
        {"samples": now.never},
    )
