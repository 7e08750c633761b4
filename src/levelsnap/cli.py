"""The entry of the ``levelsnap`` command; its commands are in `_commands`."""

import sys


def main() -> None:
    """Run the command line, or say what to install where click is missing."""
    try:
        import click  # noqa: F401
    except ImportError as error:
        message = f"Error: levelsnap needs click ({error}): pip install 'levelsnap[cli]'"
        print(message, file=sys.stderr)
        raise SystemExit(2) from None
    from ._commands import levelsnap

    levelsnap()
