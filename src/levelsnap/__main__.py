"""``python -m levelsnap``: the command line."""

from .cli import main

main()
