"""Bots: what they hold, decided by where they are and by generators of their own.

* `flying`: the part `bots`: those that only fly.
"""
