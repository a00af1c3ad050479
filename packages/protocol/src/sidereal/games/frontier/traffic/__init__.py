"""Traffic: ships that nobody flies but the game.

* `kinds`: the part `traffic`: traders, miners, pirates and patrols.
"""
