"""The HTTP endpoint: accounts, connect tokens, health, metrics, status.

`server` accepts connections, and `connection` speaks HTTP/1.1 on one, within `limits`. `app` is the
application. `origins` says where a request comes from, `access` who may see and do what, and
`throttle` how often somebody may try. `credentials` reads what callers send, and `passwords` hashes
it. `status` and `metrics` describe how the world is doing. `answers` and `problems` write what is
answered.

All of this runs in the thread of the tick. So every answer is short, and what costs time (hashes)
runs in threads of its own. Nothing here changes the core; it only reads it.
"""
