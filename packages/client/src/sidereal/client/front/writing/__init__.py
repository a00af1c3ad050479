"""Writing: a line of text in any script, as pieces of a picture that is drawn once.

Somebody else's words may be in any script, and may be made to break the picture. So, in this order:

* `clusters`   a line is cut into letters with their marks, bounded and without what plays with the
               line, and words of scripts whose letters join;
* `bidi`       these are put into the order in which they stand on the screen;
* `fonts`      which file of this machine has the letters that the viewer's own face has not;
* `glyphs`     a piece is drawn by such a font, to fit into a line of the viewer's own face;
               `joining` is for where Arabic has to be joined by hand;
* `atlas`      and put into the one texture that all letters are cut out of: it is bounded, and what
               was drawn first gives way.

All is measured in cells: the viewer's own face is monospaced, and any piece takes one cell or more.
Nothing here knows arcade; `front.lettering` has the texture.
"""
