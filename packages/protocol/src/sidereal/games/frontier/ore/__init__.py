"""Ore: rocks break into it, ships carry it.

* `breaking`: the part `breaking`: what wears a rock, and what it breaks into;
* `pieces`: where the pieces of a rock lie, and how they fly;
* `cargo`: the part `cargo`: lumps of ore, and the holds of ships;
* `growth`: the part `growth`: rocks come again where nobody looks;
* `books`: the part `books`: what has become of all that rocks were made of.
"""
