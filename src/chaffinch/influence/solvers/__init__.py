"""One solver a file; importing a module registers its estimators."""

from chaffinch.influence.solvers import (
    arnoldi,
    cg,
    datainf,
    ekfac,
    exact,
    gex,
    identity,
    lissa,
    representer,
    trak,
)

__all__ = [
    "arnoldi",
    "cg",
    "datainf",
    "ekfac",
    "exact",
    "gex",
    "identity",
    "lissa",
    "representer",
    "trak",
]
