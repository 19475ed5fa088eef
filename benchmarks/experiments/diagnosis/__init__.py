"""The experiment ``diagnosis``: the tool's own scans of data with glitches of known place."""

from benchmarks.experiments.diagnosis.experiment import diagnosis

__all__ = ["diagnosis"]
