"""Several tags per sample: which are missing, and which were given by mistake."""

from chaffinch.tasks.multilabel.writing import write_tags as write_tags
