"""Tasks: what a label is, one module or package for each, behind one contract."""

from chaffinch.core.kinds import Kind as Kind
from chaffinch.core.records import Records as Records
from chaffinch.tasks.fold_task import FoldTask as FoldTask
from chaffinch.tasks.folds import Predict as Predict
from chaffinch.tasks.task import Judgement as Judgement
from chaffinch.tasks.task import Problem as Problem
from chaffinch.tasks.task import Task as Task
