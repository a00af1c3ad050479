"""What is done to plans as values: they are written as text, and made simpler.

A plan is a value made of values. Nothing here knows what its parts mean, so a part that is new in
plans is written and shrunk like all others; what can be played is `faults.check_plan`'s to say.

* `parts`: what a value is made of, whatever kind of record it is;
* `text`: a plan as JSON, without what is as in the simplest one, and the command that replays it;
* `shrink`: the simplest plan that fails as another one does.
"""
