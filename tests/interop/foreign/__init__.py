"""The foreign client, and a listener: written from docs/PROTOCOL.md alone."""
