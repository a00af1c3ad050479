"""Sidereal shard."""
