"""The Trio shell: the only part of the protocol that knows sockets, clocks and processes.

* `udp`: a socket, drained in a loop;
* `pacer`: ticks at a fixed rate;
* `process`: what every server process has: clocks, signals, a log, an end;
* `streams`: standard streams that are always open and never in the way;
* `config`: settings that several processes have.
"""
