"""What a game declares for who plays it, beside how its kinds are drawn.

Without arcade (plain data and arithmetic, testable anywhere):

* `gauges`     numbers of the own entity, its account and the world
* `compass`    the way to the nearest of a kind or the next mark, and to the nearest border
* `line`       what somebody types for an action
* `sounds`     what is heard, how loud, and as which bytes

With arcade:

* `instruments` draws all that is seen of these
* `speaker`    plays sounds, where there is a device
"""
