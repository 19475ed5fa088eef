"""From values to a reader's list: the samples that helped and hurt most, by layer and token."""

from typing import Any

import numpy as np
from torch import Tensor

from chaffinch.core.progress import track
from chaffinch.data.prompt import Prompts
from chaffinch.influence.queries import GradientTable, Prepared, by_layer, by_token
from chaffinch.influence.queries.collect import take
from chaffinch.models.language import LanguageModel
from chaffinch.pipeline.attribute_options import AttributeOptions
from chaffinch.report.answers import Answer, Influencer

_LAYERS = 3


def rank(
    model: LanguageModel,
    table: GradientTable,
    prepared: Prepared | None,
    values: Tensor,
    asked: "tuple[Prompts, Prompts, AttributeOptions]",
) -> tuple[Answer, ...]:
    """List the most helping and hurting training samples of each query.

    Args:
        model: The model.
        table: Kept gradients of N training samples.
        prepared: The queries; None where the estimator is no sum over layers or blocks.
        values: (N, M) influence.
        asked: Training samples, queries, options.
    """
    train, queries, options = asked
    answers = []
    with track("answers", len(queries)) as advance:
        for query in range(len(queries)):
            column = values[:, query].numpy()
            order = np.argsort(-column, kind="stable")
            helped = [row for row in order[: options.top] if column[row] > 0 or prepared is None]
            hurt = [row for row in order[::-1][: options.top] if column[row] < 0]
            if not options.signed:
                hurt = []
            found = [
                tuple(
                    _influencer(
                        model, table, prepared, (int(row), query), (train, options, column, n)
                    )
                    for n, row in enumerate(rows)
                )
                for rows in (helped, hurt)
            ]
            answers.append(
                Answer(
                    str(queries.ids[query]),
                    queries.prompts[query],
                    queries.responses[query],
                    *found,
                )
            )
            advance()
    return tuple(answers)


def _influencer(
    model: LanguageModel,
    table: GradientTable,
    prepared: Prepared | None,
    pair: tuple[int, int],
    known: Any,
) -> Influencer:
    train, options, column, place = known
    row, query = pair
    layers: tuple[tuple[str, float], ...] = ()
    tokens: tuple[tuple[str, float], ...] = ()
    if prepared is not None:
        shares = sorted(by_layer(table, prepared, row, query).items(), key=lambda one: -abs(one[1]))
        layers = tuple((_brief(name), value) for name, value in shares[:_LAYERS])
        if place < options.tokens:
            tokens = _tokens(model, table, prepared, pair, (train, options))
    return Influencer(
        str(train.ids[row]),
        float(column[row]),
        train.prompts[row],
        train.responses[row],
        layers,
        tokens,
    )


def _tokens(
    model: LanguageModel,
    table: GradientTable,
    prepared: Prepared,
    pair: tuple[int, int],
    known: Any,
) -> tuple[tuple[str, float], ...]:
    train, options = known
    row, query = pair
    one = slice(row, row + 1)
    data = model.pairs(train.prompts[one], train.responses[one], count_prompt=options.count_prompt)
    vectors = {name: rows[query] for name, rows in prepared.vectors.items()}
    found = by_token(
        model.model,
        take(data, np.arange(1)),
        vectors,
        table.layout,
        layers=options.layers or model.layers,
        loss=model.loss,
    )
    scale = 1.0 if prepared.scales is None else float(prepared.scales[row])
    ids = data[0].tokens.rows[0].tolist()
    texts = [model.tokenizer.decode([token]) for token in ids]
    return tuple(zip(texts, (found * scale).tolist(), strict=True))


def _brief(name: str) -> str:
    """The name of a parameter without what all have in common."""
    parts = [
        part
        for part in name.split(".")
        if part not in ("base_model", "model", "transformer", "layers", "h", "default", "weight")
    ]
    brief = ".".join(parts)
    return f"block {brief}" if brief.isdigit() else brief
