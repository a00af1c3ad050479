"""Sidereal protocol."""
