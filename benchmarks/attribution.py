"""Attribution of queries over the prompts of a language model, against one epoch of training.

    OMP_NUM_THREADS=2 python -m benchmarks.attribution [--train 90] [--test 10] [--model smollm2]
    python -m benchmarks.attribution --case training datainf --results measured.json

Prints a Markdown table: seconds and peak memory of one epoch of fine-tuning the adapters, and of an
attribution of all test prompts from nothing (the pass over the training prompts, that over the
queries, the values). Each case runs in a process of its own; memory is the peak of that
process, model included. Batches are of the same size in both. With ``--results`` what was measured
is kept, and a later call with other cases adds to it: the table holds all that is there.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.data.prompt_set import prompt_set
from benchmarks.experiments.prompts.model import load_base, train
from benchmarks.experiments.prompts.settings import Settings
from benchmarks.session import default_cache
from chaffinch.gradients import capture
from chaffinch.influence.queries import (
    Layout,
    collect_gradients,
    collect_states,
    gradients_of,
    influence_of,
    prepare,
    states_of,
)
from chaffinch.models.language import LanguageModel, Padded, TokenInputs, add_lora

CASES = ("training", "rep_cos", "grad_dot", "datainf", "trak", "datainf whole", "ekfac whole")
SETTING = ("model", "train", "test", "batch", "sketch")
Pairs = tuple[TokenInputs, Padded]
Sets = tuple[Pairs, Pairs]
TIME_BAR, MEMORY_BAR = 2.5, 1.5


def peak() -> float:
    """MiB of resident memory at the most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(case: str, args: argparse.Namespace) -> dict[str, float]:
    settings = Settings(train=args.train, test=args.test, epochs=1, batch_size=args.batch)
    drawn = prompt_set("sentences", 0, settings.train, settings.test)
    base = load_base(args.model, settings.length, default_cache() / "models")
    model = add_lora(base, ("q_proj", "v_proj"), settings.rank, lora_alpha=settings.alpha)
    data, asked = (
        model.pairs(one.prompt.tolist(), one.response.tolist()) for one in (drawn.train, drawn.test)
    )
    first = (data[0].take([0]), data[1].take([0]))
    gradients_of(model.model, first, _layout(model, first), loss=model.loss)  # warm up
    start = time.perf_counter()
    if case == "training":
        train(model, data, settings, 0)
    else:
        attribute(case, model, (data, asked), args)
    return {"seconds": time.perf_counter() - start, "peak": peak()}


def attribute(case: str, model: LanguageModel, sets: Sets, args: argparse.Namespace) -> None:
    data, asked = sets
    estimator, _, whole = case.partition(" ")
    with tempfile.TemporaryDirectory() as folder:
        if estimator == "rep_cos":
            table = collect_states(model.model, data, folder, batch_size=args.batch)
            queries = states_of(model.model, asked, table.layout, batch_size=args.batch)
        else:
            table = collect_gradients(
                model.model,
                data,
                folder,
                loss=model.loss,
                dimensions=None if whole else args.sketch,
                batch_size=args.batch,
            )
            queries = gradients_of(
                model.model, asked, table.layout, loss=model.loss, batch_size=args.batch
            )
        influence_of(table, prepare(table, queries, estimator))


def _layout(model: LanguageModel, data: Pairs) -> Layout:
    return Layout.of(capture(model.model, data, "lora", model.loss), 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--train", type=int, default=90, help="of each of ten kinds")
    parser.add_argument("--test", type=int, default=10, help="of each of ten kinds")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--sketch", type=int, default=256)
    parser.add_argument("--case", nargs="+", choices=CASES, default=CASES, metavar="CASE")
    parser.add_argument("--results", type=Path, help="JSON file that keeps what was measured")
    parser.add_argument("--inside", choices=CASES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        print(json.dumps(measure(args.inside, args)))
        return
    setting = {name: getattr(args, name) for name in SETTING}
    found = recall(args.results, setting)
    for case in args.case:
        one = in_a_process(case, setting)
        if one is None:
            continue
        found[case] = one
        print(f"{case}: {one['seconds']:.1f} s, {one['peak']:.0f} MiB", file=sys.stderr, flush=True)
        if args.results:
            args.results.write_text(json.dumps({"setting": setting, "found": found}, indent=1))
    print("\n".join(rows(found)))
    failed = sorted(set(args.case) - set(found), key=CASES.index)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def in_a_process(case: str, setting: dict[str, object]) -> dict[str, float] | None:
    """What a case takes in a process of its own; None if it fails."""
    options = [word for name, value in setting.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "benchmarks.attribution", *options, "--inside", case]
    place = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=place, check=False, stdout=subprocess.PIPE, text=True)
    return None if done.returncode else json.loads(done.stdout.splitlines()[-1])


def recall(file: Path | None, setting: dict[str, object]) -> dict[str, dict[str, float]]:
    """What a file holds by case; it must have been measured with the same setting."""
    if file is None or not file.is_file():
        return {}
    kept = json.loads(file.read_text())
    if kept["setting"] != setting:
        sys.exit(f"{file} was measured with {kept['setting']}: give another file, or these options")
    found: dict[str, dict[str, float]] = kept["found"]
    return found


def rows(found: dict[str, dict[str, float]]) -> list[str]:
    """A Markdown table of the cases that were measured, in their usual order."""
    lines = [
        "| case | seconds | x training | peak, MiB | x training |",
        "|---|---|---|---|---|",
    ]
    own = found.get("training")
    for case in (name for name in CASES if name in found):
        one = found[case]
        time_ratio, memory_ratio = (
            f"{one[name] / own[name]:.2f}" if own else "" for name in ("seconds", "peak")
        )
        lines.append(
            f"| {case} | {one['seconds']:.1f} | {time_ratio} | {one['peak']:.0f} | {memory_ratio} |"
        )
    bars = f"Bars: {TIME_BAR} x the time and {MEMORY_BAR} x the memory of one epoch of training."
    return [*lines, "", bars]


if __name__ == "__main__":
    main()
