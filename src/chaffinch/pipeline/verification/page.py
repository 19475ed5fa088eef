"""The outcome of a verification as a page of its own."""

from pathlib import Path

from jinja2 import Environment

from chaffinch.core.version import VERSION
from chaffinch.pipeline.verification.outcome import ACCURACY, Outcome
from chaffinch.pipeline.verification.statistic import Interval
from chaffinch.store.run import write_text

PAGE = "verification.html"
"""File in the run folder."""

_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Verification: {{ o.verdict }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem;
  color: #24313d; background: #fdfcfa }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #dcd8d2; text-align: right }
th:first-child, td:first-child { text-align: left }
.lead { font-size: 1.1rem } .note { color: #5c6873 }
@media (prefers-color-scheme: dark) { body { color: #e4e0da; background: #1d2227 }
  th, td { border-color: #3a4249 } .note { color: #a2acb5 } }
</style></head><body><main>
<h1>{{ headline }}</h1>
<p class="lead">{{ sentence }}</p>
{% if o.marks and o.metric != "accuracy" %}<h2>Versions of the data</h2>
<table><thead><tr><th scope="col">trained on</th><th scope="col">{{ o.metric }}</th></tr></thead>
<tbody>{% for name, m in o.marks.items() %}<tr><td>{{ name }}</td>
<td>{{ "%.6g" % m.error }}</td></tr>{% endfor %}</tbody></table>
{% elif o.marks %}<h2>Versions of the data</h2>
<table><thead><tr><th scope="col">trained on</th><th scope="col">accuracy</th>
<th scope="col">loss</th><th scope="col">calibration error</th></tr></thead><tbody>
{% for name, m in o.marks.items() %}<tr><td>{{ name }}</td>
<td>{{ "%.2f" % (100 * m.accuracy) }} %</td><td>{{ "%.4f" % m.loss }}</td>
<td>{{ "%.4f" % m.ece }}</td></tr>
{% endfor %}</tbody></table>{% endif %}
{% if o.parts %}<h2>Parts of the plan</h2>
<table><thead><tr><th scope="col">part</th><th scope="col">edits</th>
<th scope="col">alone, points</th><th scope="col">plan without it, points</th>
<th scope="col"></th></tr></thead><tbody>
{% for p in o.parts %}<tr><td>{{ p.name }}</td><td>{{ p.edits }}</td><td>{{ points(p.alone) }}</td>
<td>{{ points(p.without) if p.without else "-" }}</td>
<td>{{ "withheld" if p.withheld else "kept" }}</td></tr>
{% endfor %}</tbody></table>{% endif %}
{% for key, title in (("by_class", "By class"), ("by_group", "By group")) %}
{% if o.marks and o.marks.original.get(key) %}<h2>{{ title }}</h2>
<table><thead><tr><th scope="col"></th><th scope="col">original</th>
<th scope="col">repaired</th></tr></thead><tbody>
{% for name, before in o.marks.original[key].items() %}
<tr><td>{{ name }}</td><td>{{ "%.2f" % (100 * before) }} %</td>
<td>{{ "%.2f" % (100 * o.marks.repaired[key][name]) }} %</td></tr>
{% endfor %}</tbody></table>{% endif %}{% endfor %}
{% for note in o.notes %}<p class="note">{{ note }}</p>{% endfor %}
<p class="note">Chaffinch {{ version }}</p>
</main></body></html>
"""

_HEADLINES = {
    "helps": "The repair helps",
    "harms": "The repair does harm",
    "no difference": "The repair makes no difference that can be seen",
    "no repair needed": "No repair needed",
}


def headline(outcome: Outcome) -> str:
    """The verdict as a headline."""
    return _HEADLINES[outcome.verdict]


def sentence(outcome: Outcome) -> str:
    """The difference, what it was measured on, and the control, as text."""
    if not outcome.seeds:
        return " ".join(outcome.notes)
    if outcome.metric != ACCURACY:
        return _of_error(outcome)
    parts = [
        f"Training on the repaired data gains {points(outcome.difference)} points of accuracy on "
        f"{outcome.held_out}, over {outcome.seeds} paired trainings."
    ]
    if outcome.seeds < outcome.planned_seeds:
        parts.append(f"The answer was clear before all {outcome.planned_seeds} were run.")
    if outcome.control is not None:
        parts.append(f"Leaving out as many samples at random gains {points(outcome.control)}.")
    if outcome.withheld:
        parts.append(f"Withheld, because it harms: {', '.join(outcome.withheld)}.")
    return " ".join(parts)


def _of_error(outcome: Outcome) -> str:
    d, before = outcome.difference, outcome.marks["original"]["error"]
    after = outcome.marks["repaired"]["error"]
    parts = [
        f"Training on the repaired data takes the {outcome.metric} on {outcome.held_out} from "
        f"{before:.4g} to {after:.4g}, over {outcome.seeds} paired trainings; it takes off "
        f"{d.mean:+.4g} ({d.low:+.4g} to {d.high:+.4g})."
    ]
    if outcome.control is not None:
        c = outcome.control
        parts.append(
            f"Leaving out as many samples at random takes off {c.mean:+.4g} "
            f"({c.low:+.4g} to {c.high:+.4g})."
        )
    return " ".join(parts)


def points(interval: Interval) -> str:
    """An interval in points of accuracy."""
    mean, low, high = (100 * one for one in (interval.mean, interval.low, interval.high))
    return f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"


def write_page(outcome: Outcome, path: Path) -> None:
    """Write the page, whole."""
    template = Environment(autoescape=True).from_string(_TEMPLATE)
    text = template.render(
        o=outcome,
        headline=headline(outcome),
        sentence=sentence(outcome),
        points=points,
        version=VERSION,
    )
    write_text(path, text)
