"""What is seen of a training while it runs: the monitor, a page, a panel."""

from chaffinch.training.live.monitor import Monitor, Reader
from chaffinch.training.live.page import LivePage
from chaffinch.training.live.panel import LivePanel

__all__ = ["LivePage", "LivePanel", "Monitor", "Reader"]
