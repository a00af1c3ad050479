"""The HTTP endpoint: accounts, connect tokens, health, metrics, status.

`app` is the application and its server, `credentials` reads what callers send, `passwords` hashes,
`status` and `metrics` tell how the world is doing. It runs in the same thread as the tick, so every
answer is short, and what costs time (hashes) runs in threads of its own.

It reads the core and never changes it.
"""
