"""Game rules that ship with Sidereal, plugins like any other.

* `ships` flight by the controls of their pilots;
* `asteroids` drift and spin.
"""
