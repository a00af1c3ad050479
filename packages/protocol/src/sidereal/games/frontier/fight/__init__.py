"""Fights: what ships can take, what they shoot with, and how they end.

* `armour`: the part `armour`: hulls, shields, what ramming does to them, and `hurt`, by which
  everything else hurts.
"""
