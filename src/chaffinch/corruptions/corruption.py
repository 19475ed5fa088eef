"""All corruptions by name, with one signature."""

from collections.abc import Callable
from functools import partial

from chaffinch.core.registry import Registry
from chaffinch.corruptions import image, table, text
from chaffinch.corruptions.cluster import far_cluster, near_cluster
from chaffinch.corruptions.corrupted import Corrupted
from chaffinch.corruptions.duplicate import near_duplicates
from chaffinch.corruptions.flip import class_dependent_flips, mislabel, pair_flips, uniform_flips
from chaffinch.corruptions.sample_corruption import SAMPLE_CORRUPTIONS

_ = (image, table, text)  # importing a module registers its corruptions

Corruption = Callable[..., Corrupted]
"""``corruption(samples, labels, rate, seed, *, among=None, **options)``."""

CORRUPTIONS: Registry[Corruption] = Registry("corruption")
"""Every corruption that one rate describes."""

for _flip in (uniform_flips, class_dependent_flips, pair_flips):
    CORRUPTIONS.add(_flip.__name__, partial(mislabel, flip=_flip))
CORRUPTIONS.add("near_cluster", near_cluster)
CORRUPTIONS.add("far_cluster", far_cluster)
CORRUPTIONS.add("near_duplicates", near_duplicates)
for _name, _corruption in SAMPLE_CORRUPTIONS.items():
    CORRUPTIONS.add(_name, _corruption)
