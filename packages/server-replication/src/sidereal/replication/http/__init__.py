"""The HTTP endpoint: accounts, connect tokens, health, metrics, status.

`server` accepts connections, `connection` speaks HTTP/1.1 on one, within `limits`; `app` is the
application: `credentials` reads what callers send, `passwords` hashes, `status` and `metrics` tell
how the world is doing; `problems` is what every answer looks like that says no. It runs in the same
thread as the tick, so every answer is short, and what costs time (hashes) runs in threads of its
own.

It reads the core and never changes it.
"""
