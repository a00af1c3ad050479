"""Unbounded space, divided into sectors and cells.

* `geometry`: from coordinates to sectors and cells, and back;
* `cells`: the square of cells around one cell;
* `sectors`: active sectors as dense numbers.
"""
