"""Makes recordings of sessions with the real ends, in virtual time, from a seed.

* `transcript`  what a session's ends sent, got and understood, line by line
* `said`        messages as plain values, as the real ends read them
* `world`       a small world that is played for a while: the client link and the shard link
* `channels`    the four guarantees on a bad link
"""
