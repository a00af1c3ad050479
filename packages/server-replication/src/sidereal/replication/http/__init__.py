"""The HTTP endpoint: accounts, connect tokens, health, metrics, status.

`server` accepts connections, `connection` speaks HTTP/1.1 on one, within `limits`. `app` is the
application: `access` decides who may see and do what, `throttle` how often one may try;
`credentials` reads what callers send, `passwords` hashes, `status` and `metrics` tell how the world
is doing; `answers` and `problems` write what is answered. It runs in the same thread as the tick.
So every answer is short, and what costs time (hashes) runs in threads of its own.

It reads the core and never changes it.
"""
