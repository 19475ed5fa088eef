"""Attribution of queries over the prompts of a language model, against one epoch of training.

    OMP_NUM_THREADS=2 python -m benchmarks.attribution [--train 90] [--test 10] [--model smollm2]

Prints a Markdown table: seconds and peak memory of one epoch of fine-tuning the adapters, and of an
attribution of all test prompts from nothing (the pass over the training prompts, the gradients of
the queries, the values). Each case runs in a process of its own; memory is the peak of that
process, model included. Batches are of the same size in both.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from chaffinch.bench.experiments.prompts.model import load_base, train
from chaffinch.bench.experiments.prompts.settings import Settings
from chaffinch.bench.inject.prompts import prompt_set
from chaffinch.bench.session import default_cache
from chaffinch.influence.queries import collect_gradients, gradients_of, influence_of, prepare
from chaffinch.models.language import add_lora

CASES = ("training", "grad_dot", "datainf", "trak", "datainf whole", "ekfac whole")
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
        estimator, _, whole = case.partition(" ")
        with tempfile.TemporaryDirectory() as folder:
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
    return {"seconds": time.perf_counter() - start, "peak": peak()}


def _layout(model, data):
    from chaffinch.gradients import capture
    from chaffinch.influence.queries import Layout

    return Layout.of(capture(model.model, data, "lora", model.loss), 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--train", type=int, default=90, help="of each of ten kinds")
    parser.add_argument("--test", type=int, default=10, help="of each of ten kinds")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--sketch", type=int, default=256)
    parser.add_argument("--case", choices=CASES)
    args = parser.parse_args()
    if args.case:
        torch.set_num_threads(max(1, torch.get_num_threads()))
        print(json.dumps(measure(args.case, args)))
        return
    found = {}
    for case in CASES:
        command = [sys.executable, "-m", "benchmarks.attribution", *sys.argv[1:], "--case", case]
        place = Path(__file__).parents[1]
        done = subprocess.run(command, cwd=place, check=True, capture_output=True, text=True)
        found[case] = json.loads(done.stdout.splitlines()[-1])
    print("| case | seconds | x training | peak, MiB | x training |\n|---|---|---|---|---|")
    own = found["training"]
    for case, one in found.items():
        ratios = one["seconds"] / own["seconds"], one["peak"] / own["peak"]
        print(
            f"| {case} | {one['seconds']:.1f} | {ratios[0]:.2f} | {one['peak']:.0f} "
            f"| {ratios[1]:.2f} |"
        )
    print(f"\nBars: {TIME_BAR} x the time and {MEMORY_BAR} x the memory of one epoch of training.")


if __name__ == "__main__":
    main()
