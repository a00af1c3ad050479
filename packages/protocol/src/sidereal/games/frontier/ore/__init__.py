"""Ore: rocks break into it, ships carry it.

* `cargo`: the part `cargo`: lumps of ore, and the holds of ships.
"""
