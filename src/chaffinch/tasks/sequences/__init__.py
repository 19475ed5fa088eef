"""Ordered frames or log lines with a label each."""

from chaffinch.tasks.sequences.judge import SequenceJudgement as SequenceJudgement
from chaffinch.tasks.sequences.judge import judge_sequences as judge_sequences
from chaffinch.tasks.sequences.pull import pull as pull
from chaffinch.tasks.sequences.segments import Segments as Segments
from chaffinch.tasks.sequences.segments import segments_of as segments_of
from chaffinch.tasks.sequences.trajectories import loss_trajectories as loss_trajectories
