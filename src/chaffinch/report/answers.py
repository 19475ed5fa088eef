"""Which training prompts shaped an answer: what `attribute` found, on a page and in a shell."""

from dataclasses import asdict, dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chaffinch.core.plain_text import clean

_SHOWN = 72


@dataclass(frozen=True)
class Influencer:
    """A training sample that influenced a query.

    Attributes:
        id: Its id.
        value: Its influence; positive = it helped.
        prompt: Its prompt.
        response: Its response.
        layers: The parameters with the largest share in the value, and what they contribute.
        tokens: Its tokens and what each position contributes; empty where that was not asked for.
    """

    id: str
    value: float
    prompt: str
    response: str
    layers: tuple[tuple[str, float], ...] = ()
    tokens: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Answer:
    """A query and the training samples that matter most for it.

    Attributes:
        id: Id of the query.
        prompt: Its prompt.
        response: Its response.
        helped: Training samples that helped most, the largest value first.
        hurt: Training samples that hurt most, the smallest value first.
    """

    id: str
    prompt: str
    response: str
    helped: tuple[Influencer, ...]
    hurt: tuple[Influencer, ...]


@dataclass(frozen=True)
class Answers:
    """What an attribution found.

    Attributes:
        estimator: Name of the estimator.
        facts: What a reader wants to know of the run, by name.
        answers: One for each query.
        signed: Whether a value tells that training on a sample helped or hurt; else how alike it is
            to the query, and nothing is listed as hurting.
    """

    estimator: str
    facts: dict[str, str] = field(default_factory=dict)
    answers: tuple[Answer, ...] = ()
    signed: bool = True

    def lines(self) -> list[dict[str, Any]]:
        """One mapping a query, ready for JSON."""
        return [{"estimator": self.estimator, **asdict(one)} for one in self.answers]


def render(answers: Answers) -> str:
    """One HTML document that calls nothing from outside; whatever comes from data is escaped."""
    environment = Environment(
        loader=PackageLoader("chaffinch.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("answers.html.j2").render(found=answers, shade=shade)
    return page.encode("utf-8", "replace").decode("utf-8")


def shade(tokens: tuple[tuple[str, float], ...]) -> list[tuple[str, str]]:
    """Tokens with a colour for each: green helps, red hurts, the strongest one fully."""
    largest = max((abs(value) for _, value in tokens), default=0.0) or 1.0
    return [
        (text, f"rgba({'46,125,50' if value > 0 else '198,40,40'},{abs(value) / largest:.2f})")
        for text, value in tokens
    ]


def show(answers: Answers, console: Console, count: int = 3) -> None:
    """Print the first few helping and hurting samples of every query."""
    for one in answers.answers:
        word = "influence" if answers.signed else "alikeness"
        table = Table(word, "training sample", box=None, header_style="bold")
        for found in (*one.helped[:count], *one.hurt[:count][::-1]):
            table.add_row(f"{found.value:+.3g}", escape(_short(found.prompt, found.response)))
        console.print(f"[bold]{escape(_short(one.prompt, one.response))}[/bold]", highlight=False)
        console.print(table, highlight=False)


def _short(prompt: str, response: str) -> str:
    whole = " ".join(clean(f"{prompt} {response}").split())
    return whole if len(whole) <= _SHOWN else f"{whole[: _SHOWN - 20]} ... {whole[-15:]}"
