"""`python -m sidereal.tools`: the same as `sidereal`."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # The working directory: what lies there is no module of ours or Python's.

import signal

# Told to end while its modules are still being loaded, a server ends as it always does: when it
# listens for signals. `cli` releases them for commands that do not.
signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))

from sidereal.tools.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
