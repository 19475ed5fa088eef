"""Run every benchmark, one after the other: ``python -m benchmarks [NAME ...]``."""

import importlib
import pkgutil
import subprocess
import sys

import benchmarks

NOT_BENCHMARKS = {"measure", "real_data"}


def names() -> list[str]:
    """Modules with a ``main``, by dotted name below ``benchmarks``."""
    found = []
    for module in pkgutil.walk_packages(benchmarks.__path__, "benchmarks."):
        name = module.name.removeprefix("benchmarks.").removesuffix(".__main__")
        if module.ispkg or name.split(".")[-1] in NOT_BENCHMARKS or name.startswith("__"):
            continue
        if hasattr(importlib.import_module(module.name), "main"):
            found.append(name)
    return found


def main() -> None:
    chosen = sys.argv[1:] or names()
    failed = []
    for name in chosen:
        print(f"\n## {name}\n", flush=True)
        # A process each: peak memory and thread counts must not be those of the one before.
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
