"""What runs exercised: green says nothing about what never happened.

* `losses`: what was in the datagrams that were lost, record by record;
* `met`: which limits were met, seen from outside of the cores;
* `tally`: all of it for one run, added up over many, with what never happened.

Nothing here judges a run, and nothing in a run depends on it.
"""
