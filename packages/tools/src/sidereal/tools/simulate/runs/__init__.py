"""Many seeds at a time: what the command does around the rig with processes and a terminal.

* `workers`: items of work on several processes, with a progress bar;
* `report`: what came of all of them, as JSON and for people.

Nothing of the rig imports this: a run knows neither time nor other runs.
"""
