"""Traffic: ships that nobody flies but the game.

* `kinds`: the part `traffic`: traders, miners, pirates and patrols;
* `law`: the part `law`: who has shot somebody peaceful;
* `doings`: what they can be about;
* `minds`: the part `minds`: what each kind is about, and when it changes its mind;
* `steering`: what brings a ship to the velocity that it wants;
* `pilots`: the part `pilots`: what they hold in every tick;
* `upkeep`: the part `upkeep`: how many there are, where they begin, and that they come again.
"""
