"""The arcade debug client, `sidereal view`: the only door to arcade, pyglet and OpenGL.

Nothing here decides anything about the world. The client core interpolates and predicts; each
frame the viewer takes its `View` and the window draws it. What imports arcade is imported late, so
that a machine without OpenGL gets a sentence and not an `ImportError`.

Without arcade (plain data and arithmetic, testable anywhere):

* `config`     the flags of the command, one frozen struct
* `preflight`  are OpenGL and a display here, and if not, which package to install
* `palette`    colours: one per shard, the same everywhere
* `layers`     what can be switched on and off
* `keys`       which key does what; the help panel is this table
* `grip`       what keys and pointer come to: a record of the game's controls
* `camera`     world units to pixels and back, exact at any distance from the origin
* `rows`       the structured dtypes that are the vertex formats, and their makers
* `looks`      how kinds are drawn: what the game declares, as columns
* `ownership`  leases to coloured rectangles: fills, borders, grid, interest
* `watch`      what changed since the last frame: handovers
* `effects`    what is shown for a while after an event
* `meter`      frame times and snapshot arrivals, for the numbers and the net graph
* `frame`      what one frame is drawn from, and the feed it comes from
* `choosing`   what is selected next: those first that a pilot asks for first
* `writing/`   a line in any script, as pieces of one picture
* `names`      whose names are written in the picture
* `news`       the lines of the event feed
* `readout`    the words and numbers on the screen
* `layout`     where the panels lie, and what gives way in a small window
* `viewer`     what the person has chosen, and the next frame of it

With arcade:

* `launch`     the command: preflight, window, run, exit status
* `loop`       Trio inside pyglet's event loop
* `window`     events in, one frame out
* `batches`    instanced drawing of rectangles, strokes and marks from NumPy rows
* `lettering`  text as one more instanced batch
* `scene`      the world
* `overlay`    the panels on top of it
* `play/`      gauges, compasses, the line that is typed, and sounds: what a game declares for who
               plays it
* `shaders/`   the GLSL
"""
