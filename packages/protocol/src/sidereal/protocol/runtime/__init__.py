"""The Trio shell: the only part of the protocol that knows sockets, clocks and processes.

* `udp`: a socket, drained in a loop;
* `process`: what every server process has: a wall clock, signals, a log, an end;
* `streams`: standard streams that are always open and never in the way;
* `memory`: what a process holds in memory that no other process has;
* `config`: settings that several processes have.
"""
