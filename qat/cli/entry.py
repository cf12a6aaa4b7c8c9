"""The console script's first lines, before any import that takes time.

Until a command's own handlers are in place Ctrl-C ends the process as it ends any program, without Python's traceback.
"""

import signal
import sys
from typing import NoReturn


def script(*command: str) -> NoReturn:
    """The console script's entry; a script of tools/ names its command."""
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:  # within these lines
        sys.exit(128 + signal.SIGINT)
    from qat.cli.main import main

    sys.exit(main([*command, *sys.argv[1:]]))
