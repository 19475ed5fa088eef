"""Wrong labels of people and of injectors, judged from evidence.

    python -m benchmarks.people [--quick] [--full] [--sets human letter/ ...] [--methods ...]

Measures what the cache lacks; a run that was stopped goes on where it was. Out-of-sample
probabilities are kept, too. Without --out the results are printed only.
"""

import argparse
import shlex
import sys
from pathlib import Path

from benchmarks.people.method import METHODS
from benchmarks.people.page import summary, write_page
from benchmarks.people.results import Plan, gather, run
from benchmarks.people.sets import QUICK, SETS, STANDARD, default_cache
from chaffinch.core.errors import InputError

QUICK_SEEDS, SEEDS = [0, 1], [0, 1, 2, 3, 4]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.people",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="small sets, two seeds")
    parser.add_argument("--full", action="store_true", help="whole scans as well")
    parser.add_argument("--sets", nargs="*", help="groups, names or beginnings of names")
    parser.add_argument("--methods", nargs="*", help="names or beginnings of names")
    parser.add_argument("--seeds", nargs="*", type=int, help="0 1 2 3 4, with --quick 0 1")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, help="page to write (.md); its table lies beside it")
    parser.add_argument("--fresh", action="store_true", help="measure again what is known")
    return parser.parse_args()


def chosen(wanted: list[str] | None, known: dict[str, str], what: str) -> list[str]:
    """Names that equal or begin with a wanted word, or whose group is one.

    Args:
        wanted: The words, None for all.
        known: Group by name.
        what: What they are, for the error.
    """
    if wanted is None:
        return list(known)
    for word in wanted:
        if not any(name.startswith(word) or group == word for name, group in known.items()):
            raise InputError(
                f"{what} among {', '.join(known)}", repr(word), "Or pass the beginning of a name"
            )
    exact = {word for word in wanted if word in known}
    begun = tuple(word for word in wanted if word not in known)
    return [
        name
        for name, group in known.items()
        if name in exact or group in wanted or (begun and name.startswith(begun))
    ]


def main() -> None:
    arguments = parse()
    try:
        sets = chosen(arguments.sets, {name: one.group for name, one in SETS.items()}, "sets")
        kinds = {name: one.kind for name, one in METHODS.items()}
        methods = chosen(arguments.methods, kinds, "methods")
        if arguments.methods is None and not arguments.full:
            methods = [name for name in methods if METHODS[name].kind != "scan"]
        seeds = arguments.seeds or (QUICK_SEEDS if arguments.quick else SEEDS)
        size = QUICK if arguments.quick else STANDARD
        plan = Plan(sets, methods, seeds, size, arguments.cache)
        notes = run(plan, arguments.fresh)
    except InputError as error:
        sys.exit(str(error))
    table = gather(plan)
    if arguments.out is None:
        print("\n" + summary(table))
    else:
        words = f"python -m benchmarks.people {shlex.join(sys.argv[1:])}"
        write_page(table, plan, notes, words, arguments.out)


if __name__ == "__main__":
    main()
