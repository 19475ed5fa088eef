"""Writers: readers of a monitor that keep its numbers where other tools find them."""

from chaffinch.training.writers.csv import CSVWriter
from chaffinch.training.writers.jsonl import JSONLWriter
from chaffinch.training.writers.mlflow import MLflowWriter
from chaffinch.training.writers.tensorboard import TensorBoardWriter

__all__ = ["CSVWriter", "JSONLWriter", "MLflowWriter", "TensorBoardWriter"]
