"""Sentences with one BIO tag a token, as a task."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.identity import ids_from_keys
from chaffinch.core.kinds import Kind
from chaffinch.core.labels import Labels
from chaffinch.core.records import Axes, Records
from chaffinch.core.types import Codes, Floats
from chaffinch.data.huggingface import is_huggingface
from chaffinch.data.text import TextData
from chaffinch.pipeline.scan_input import ScanInput
from chaffinch.repair.plan import Plan
from chaffinch.tasks.fold_task import FoldTask
from chaffinch.tasks.folds import Predict
from chaffinch.tasks.task import Judgement, Problem
from chaffinch.tasks.tokens.held_out import held_out
from chaffinch.tasks.tokens.judge import judge_tokens
from chaffinch.tasks.tokens.read import has_tags, is_conll, read_tagged, words_and_tags
from chaffinch.tasks.tokens.spans import OUTSIDE, Span, spans_of, tags_of
from chaffinch.tasks.tokens.verdict import KINDS, TokenJudgement, Verdict

_LIKELY = 0.5
_MOST_TOLD = 200


@final
class Tokens(FoldTask):
    """Entities in sentences. A sample is a sentence; its label is one BIO tag a token.

    Hashed words, shapes, affixes and neighbours of each token feed a linear model; sentences are
    held out whole.
    """

    name: ClassVar[str] = "tokens"
    noun: ClassVar[str] = "tags"
    kinds: ClassVar[Mapping[str, Kind]] = {
        "wrong_type": Kind(
            "Wrong type", "harmful", "has an entity of another type", "with a wrong type"
        ),
        "missed_entity": Kind(
            "Missed entity", "harmful", "has an entity without a tag", "with a missed entity"
        ),
        "invented_entity": Kind(
            "Invented entity",
            "harmful",
            "has a tag on words that are no entity elsewhere",
            "with an invented entity",
        ),
        "wrong_boundary": Kind(
            "Wrong boundary",
            "harmful",
            "has an entity that begins or ends at another token",
            "with a wrong boundary",
        ),
        "inconsistent": Kind(
            "Inconsistent",
            "harmful",
            "tags words in another way than other sentences do",
            "with inconsistent tags",
        ),
        "clean": Kind("Clean", "keep", "has tags that nothing speaks against", "clean"),
    }
    records: ClassVar[Mapping[str, Axes]] = {"held_out_tags": ("N", "T", "C")}
    default_model: ClassVar[str] = "logistic regression on hashed context features of tokens"

    def recognises(self, given: ScanInput) -> bool:
        """A CoNLL file, or columns of tokens and tags, or of a text and its entities."""
        if given.model is not None or given.validation is not None:
            return False
        if is_conll(given.data):
            return True
        if is_huggingface(given.data):
            return has_tags(given.data.column_names)
        frame = _frame(given)
        return frame is not None and has_tags(list(frame.columns))

    def open(self, given: ScanInput) -> Dataset:
        """The sentences as texts whose labels are their tags, with spaces between both."""
        if is_conll(given.data) or is_huggingface(given.data):
            read = read_tagged(given.data, given.label)
        else:
            read = read_tagged(
                given.data if (frame := _frame(given)) is None else frame, given.label
            )
        source = Path(given.location).name or "sentences in memory"
        labels = [None if one is None else " ".join(one) for one in read.tags]
        key, ids = given.options.id_column, None
        if key is not None:
            if read.frame is None or key not in read.frame:
                raise InputError(f"a column {key!r} of ids", "none", "Leave id_column out")
            ids = ids_from_keys(read.frame[key].tolist(), f"column {key!r}")
        return TextData.of(
            [" ".join(one) for one in read.sentences],
            Labels.of(labels, f"the tags of {source}", allow_missing=True),
            ids=ids,
            source=source,
        )

    def targets(self, data: Dataset) -> NDArray[Any]:
        """(N,) pairs of tokens and tags. Where the words are not known, no two are alike."""
        given = data.labels.texts
        lengths = [len(one.split(" ")) for one in given]
        unknown = [" ".join(f"{row}:{t}" for t in range(n)) for row, n in enumerate(lengths)]
        read = words_and_tags(getattr(data, "texts", None) or unknown, given)
        pairs = np.empty(len(data), dtype=object)
        for row, (words, tags) in enumerate(zip(read.sentences, read.tags, strict=True)):
            if tags is None or len(words) != len(tags):
                raise InputError(
                    f"one tag a token in {data.source}",
                    f"{len(tags or [])} tags and {len(words)} tokens in row {row}",
                    "Give tags with spaces between them",
                )
            pairs[row] = (words, tags)
        return pairs

    def fit(self, features: Floats, targets: NDArray[Any], seed: int) -> Predict:
        """Tokens have features of their own, and `collect` learns from those."""
        raise NotImplementedError

    def collect(
        self, features: Floats, targets: NDArray[Any], folds: Codes, seed: int, state: Path
    ) -> dict[str, NDArray[Any]]:
        """(N, T, C) held-out probability of each tag, 0 beyond the end of a sentence."""
        del features, state
        words, tags = [one for one, _ in targets], [one for _, one in targets]
        classes = _classes(tags)
        codes = np.array([classes.index(tag) for one in tags for tag in one], np.int64)
        flat = held_out(words, codes, len(classes), int(folds.max()) + 1, seed)
        lengths = [len(one) for one in tags]
        padded = np.zeros((len(tags), max(lengths), len(classes)), np.float32)
        padded[np.arange(max(lengths)) < np.array(lengths)[:, None]] = flat
        return {"held_out_tags": padded}

    def write(self, plan: Plan, data: Any, opening: Mapping[str, Any], **options: Any) -> Any:
        """Refused: tags of tokens are not written back.

        Raises:
            InputError: Always.
        """
        del plan, data, opening, options
        raise InputError(
            "labels that stand in one column as they are read",
            "tags of tokens",
            "Take the tags from the columns row and new_label of run.propose().table",
        )

    def judge(self, problem: Problem, records: Records) -> Judgement:
        """Weigh what else each entity could be, and put the verdicts of a sentence together."""
        words, tags = [one for one, _ in problem.targets], [one for _, one in problem.targets]
        padded = records["held_out_tags"]
        lengths = np.array([len(one) for one in tags])
        classes = _classes(tags)
        if padded.shape[1] < lengths.max() or padded.shape[2] != len(classes):
            raise InputError(
                f"held_out_tags of shape (N, {lengths.max()}, {len(classes)}), for the tags "
                f"{', '.join(classes)}",
                f"shape {padded.shape}",
                "Give the tags in this order, and zeros beyond the end of a sentence",
            )
        flat = padded[np.arange(padded.shape[1]) < lengths[:, None]].astype(np.float64)
        return _judgement(judge_tokens(words, tags, flat, classes), words, tags)


def _frame(given: ScanInput) -> pd.DataFrame | None:
    if isinstance(given.data, pd.DataFrame):
        return given.data
    table = given.table
    return None if table is None else table.frame


def _classes(tags: Sequence[Sequence[str]]) -> list[str]:
    """All tags in use, sorted, ``O`` among them."""
    return sorted({OUTSIDE, *(tag for one in tags for tag in one)})


def corrected(tags: Sequence[str], verdicts: Sequence[Verdict]) -> list[str]:
    """Tags of a sentence after verdicts; where two concern one token, the likelier counts."""
    spans: list[Span] = spans_of(tags)
    for one in sorted(verdicts, key=lambda v: v.probability):
        if one.given is not None and one.given in spans:
            spans.remove(one.given)
        new = one.suggested
        if new is not None:
            spans = [span for span in spans if not span.overlaps(new)] + [new]
    return tags_of(sorted(spans), len(tags))


def _judgement(
    found: TokenJudgement, words: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]
) -> Judgement:
    N = len(tags)
    by_sentence: list[list[Verdict]] = [[] for _ in range(N)]
    for one in found.verdicts:
        by_sentence[one.sentence].append(one)
    kinds = {name: np.zeros(N) for name in (*KINDS, "clean")}
    suggested, why = np.full(N, None, dtype=object), [""] * N
    confidence = np.zeros(N)
    for row, own in enumerate(by_sentence):
        worst = max(own, key=lambda v: v.probability, default=None)
        kinds["clean"][row] = 1 - (worst.probability if worst else 0.0)
        if worst is None:
            continue
        total = sum(one.probability for one in own)
        for one in own:
            kinds[one.kind][row] += worst.probability * one.probability / total
        likely = [one for one in own if one.probability >= _LIKELY] or [worst]
        suggested[row] = " ".join(corrected(tags[row], likely))
        confidence[row] = worst.probability / (worst.probability + (1 - worst.probability) / 10)
        why[row] = " ".join(_sentence(one, words[row]) for one in likely)
    told = sorted(found.verdicts, key=lambda v: -v.probability)[:_MOST_TOLD]
    return Judgement(
        kinds=kinds,
        suggested=suggested,
        confidence=confidence,
        why=why,
        details={"verdicts": [_row(one, words[one.sentence]) for one in told]},
    )


def _sentence(one: Verdict, words: Sequence[str]) -> str:
    def told(span: Span) -> str:
        return f"“{' '.join(words[span.start : span.end])}”"

    known = ", ".join(f"{name} {times} times" for name, times in one.elsewhere)
    tail = f" Elsewhere these words are {known}." if known else ""
    if one.given is None and one.suggested is not None:
        return f"{told(one.suggested)} has no tag and seems {one.suggested.type}.{tail}"
    if one.given is None:
        return tail.strip()
    if one.suggested is None:
        return f"{told(one.given)} is tagged {one.given.type} and seems no entity.{tail}"
    if one.kind == "wrong_boundary":
        return f"{told(one.given)} ({one.given.type}) seems to be {told(one.suggested)}.{tail}"
    return f"{told(one.given)} is tagged {one.given.type} and seems {one.suggested.type}.{tail}"


def _row(one: Verdict, words: Sequence[str]) -> dict[str, Any]:
    start, end = one.extent
    return {
        "sentence": one.sentence,
        "start": start,
        "end": end,
        "words": " ".join(words[start:end]),
        "kind": one.kind,
        "probability": round(one.probability, 4),
        "given": None if one.given is None else one.given.type,
        "suggested": None if one.suggested is None else one.suggested.type,
    }
