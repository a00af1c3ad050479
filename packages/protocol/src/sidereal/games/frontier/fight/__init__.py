"""Fights: what ships can take, what they shoot with, and how they end.

* `armour`: the part `armour`: hulls, shields, and what hurts them.
"""
