"""Fights: what ships can take, what they shoot with, and how they end.

* `armour`: the part `armour`: hulls, shields, what ramming does to them, and `hurt`, by which
  everything else hurts;
* `shots`: the part `shots`: what flies, hurts what it strikes, and ends with it;
* `guns`: the part `guns`: bullets, ahead or where the pilot points;
* `aiming`: where to shoot, and whom a bullet would strike on its way;
* `missiles`: the part `missiles`: they home; a magazine has so many;
* `wrecks`: the part `wrecks`: how ships end, and what is left of them.
"""
