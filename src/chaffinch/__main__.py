"""``python -m chaffinch``."""

from chaffinch.cli.app import main

main()
