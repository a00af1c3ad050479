"""How long the server may take to end, step by step.

A server that is told to end takes these steps in this order: it tells everybody, it saves what is
left, it lets its last datagrams travel, it closes the store, it ends the embedded database. Each
step has a limit and is cut off there. So the sum is a promise, `END_S_MAX`: whoever ends the server
from outside waits that long. A supervisor that kills earlier loses rows.
"""

from __future__ import annotations

from typing import Final

SAVE_S_MAX: Final = 8.0
"""For saving what is left. It is longer than one write may take, so that a write which fails can be
tried again."""

GOODBYE_S: Final = 0.3
"""For the last datagrams to travel."""

STORE_CLOSE_S_MAX: Final = 2.0
"""For operations of the database that are under way; then its connections are cut."""

POSTMASTER_FAST_S_MAX: Final = 6.0
"""For the embedded database to end sessions and write everything out."""

POSTMASTER_IMMEDIATE_S_MAX: Final = 2.0
"""For it to end without writing anything out: the next start recovers from the log."""

POSTMASTER_KILLED_S_MAX: Final = 1.0
"""For the system to take it away."""

PROCESS_S_MAX: Final = 1.7
"""For the interpreter to hear the signal, and to end."""

END_S_MAX: Final = (
    SAVE_S_MAX
    + GOODBYE_S
    + STORE_CLOSE_S_MAX
    + POSTMASTER_FAST_S_MAX
    + POSTMASTER_IMMEDIATE_S_MAX
    + POSTMASTER_KILLED_S_MAX
    + PROCESS_S_MAX
)
"""From the signal to the end of the process, all steps together."""

GRACE_S_USUAL: Final = 30.0
"""What Kubernetes gives a process to end, unless it is told otherwise."""

assert END_S_MAX < GRACE_S_USUAL
