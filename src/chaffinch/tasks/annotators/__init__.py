"""Several annotators a sample: consensus, how good each of them is, whom to ask next."""

from chaffinch.tasks.annotators.agreement import krippendorff_alpha
from chaffinch.tasks.annotators.answers import Answers, read_answers
from chaffinch.tasks.annotators.consensus import consensus
from chaffinch.tasks.annotators.result import Consensus

__all__ = ["Answers", "Consensus", "consensus", "krippendorff_alpha", "read_answers"]
