"""The embedded PostgreSQL: where its files are, which user runs it, and how it ends with us.

`installation` finds or prepares the programs, `directory` looks at the place of the files and locks
it, `postmaster` runs the server as a child process, and `launch` is the small program that starts
it. Nobody needs any of this who brings a database of their own.
"""
