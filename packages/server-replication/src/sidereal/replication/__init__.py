"""Sidereal replication."""
