"""Parts of suites that run the fake experiment."""

CELLS = """
[[cells]]
experiment = "fake"
data = ["one", "two"]
model = "none"
glitch = ["flips", "blur"]
rate = 0.1
seeds = 3
methods = "all"
"""

TABLE = """
[[tables]]
name = "auroc"
title = "AUROC"
metric = "auroc"
"""


def declare(*parts, minutes=1):
    """The text of a suite with a title, a question and the parts given."""
    head = f'title = "Fake"\nquestion = "Does it run?"\nminutes = {minutes}\n'
    return head + 'modules = ["fake_experiment"]\n' + "\n".join(parts)
