"""What `chaffinch.scan`, `chaffinch.judge` and a watch give back, and all that is done with it."""

# A run that was kept is opened without a scan before it: its task must be found all the same.
from chaffinch.tasks import registry as registry
