"""Trade: stations to dock at, what they buy and sell, and races for glory.

* `stations`: the part `stations`: where ships dock, and are safe;
* `market`: the part `market`: credits.
"""
