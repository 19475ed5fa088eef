"""Make one fuzzed call again, as a failing test names it, with its whole traceback.

``python tests/fuzz/remake.py TARGET SEED``; with a third word, so many seeds from there on, and
only those that fail are told.
"""

import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_suite import TARGETS, failure_of, made


def main() -> None:
    target, seed = sys.argv[1], int(sys.argv[2])
    warnings.simplefilter("ignore")
    if len(sys.argv) == 3:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            draw, call = made(target, seed, Path(folder) / "call")
            print("made of:", "; ".join(draw.told))
            print(call())
        return
    reasons: Counter[str] = Counter()
    slow = []
    for number in range(seed, seed + int(sys.argv[3])):
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            failure = failure_of(target, number, Path(folder))
        took = time.process_time() - began
        if took > 3:
            slow.append((number, round(took, 1)))
        if failure is not None:
            place = failure.reason.splitlines()[-1]  # one fault has many messages
            reasons[place] += 1
            if reasons[place] == 1:
                print(failure, flush=True)
    print(sum(reasons.values()), "fail in", len(reasons), "ways; slow:", slow)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in TARGETS:
        main()
    else:
        sys.exit(f"one of {', '.join(TARGETS)}, and a seed")
