"""Trade: stations to dock at, what they buy and sell, and races for glory.

* `stations`: the part `stations`: where they are, and that they stay there;
* `docking`: the part `docking`: who docks is held, and safe, until it leaves;
* `market`: the part `market`: docked ships sell ore, and are mended for credits;
* `races`: the part `races`: laps through gates that lie on borders, and who is the fastest.
"""
