"""The terminal monitor, `sidereal monitor`.

What it shows comes from two sources: `/v1/status`, polled, and a session in the world as an
observer, which shows what a player would see. When the second can't be reached, it goes on with the
first.

Pure, given the time and what was read:

* `keys`      bytes of a terminal to names of keys; which key does what on which screen
* `history`   polled states to rates, curves, moves of sectors; one `Picture` of it all
* `desk`      what the person has chosen: screen, row, filter, sort; keys change it
* `listing`   the tables: columns and rows of each screen, filtered and sorted
* `marks`     numbers as words, sparklines, gauges, colours
* `sectormap` the map of sectors
* `sightmap`  the map of what the observer is sent
* `panels`    panes of each screen
* `frame`     the whole screen: header, tabs, panes, keys

With terminal and network:

* `observer`  the session in the world
* `terminal`  keys in, pictures out, suspended and resumed
* `app`       the tasks, and the one-shot modes
"""
