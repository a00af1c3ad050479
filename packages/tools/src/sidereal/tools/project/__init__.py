"""What `sidereal new` writes: a game of one's own that runs, with a test.

`make` decides what is written and where the packages come from; the files ending in `.in` are
written with the project's name in the place of `$name`.
"""
