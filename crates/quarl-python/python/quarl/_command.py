"""The command `quarl`, which is a part of the native module."""

import os
import signal
import sys

from quarl import _quarl


def main() -> int:
    """Runs the command with the arguments of this process, and returns its exit status."""
    # The command handles Ctrl-C itself, as the binary does.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Environments of Gymnasium run with the interpreter that quarl is installed in, unless another one is active.
    if sys.prefix != sys.base_prefix:
        os.environ.setdefault("VIRTUAL_ENV", sys.prefix)
    return _quarl.run_command(["quarl", *sys.argv[1:]])
