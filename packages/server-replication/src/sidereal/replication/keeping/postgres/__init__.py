"""The embedded PostgreSQL: where its files are, who runs it, and how it ends with us.

`installation` finds or prepares the binaries, `directory` looks at the place of the files and locks
it, `postmaster` runs the server as a child process, `launch` is the small program that starts it.
Whoever brings a database of their own needs none of this.
"""
