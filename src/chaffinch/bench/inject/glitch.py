"""All glitches by name, with one signature."""

from collections.abc import Callable
from functools import partial

from chaffinch.bench.inject import image, table, text
from chaffinch.bench.inject.cluster import far_cluster, near_cluster
from chaffinch.bench.inject.corruption import CORRUPTIONS
from chaffinch.bench.inject.duplicate import near_duplicates
from chaffinch.bench.inject.flip import class_dependent_flips, mislabel, pair_flips, uniform_flips
from chaffinch.bench.inject.glitched import Glitched
from chaffinch.core.registry import Registry

_ = (image, table, text)  # importing a module registers its corruptions

Glitch = Callable[..., Glitched]
"""``glitch(samples, labels, rate, seed, *, among=None, **options)``."""

GLITCHES: Registry[Glitch] = Registry("glitch")
"""Every glitch that one rate describes."""

for _flip in (uniform_flips, class_dependent_flips, pair_flips):
    GLITCHES.add(_flip.__name__, partial(mislabel, flip=_flip))
GLITCHES.add("near_cluster", near_cluster)
GLITCHES.add("far_cluster", far_cluster)
GLITCHES.add("near_duplicates", near_duplicates)
for _name, _corruption in CORRUPTIONS.items():
    GLITCHES.add(_name, _corruption)
