"""Labels that are numbers on a scale."""

from chaffinch.tasks.regression.regression import Regression as Regression
