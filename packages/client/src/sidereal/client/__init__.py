"""Sidereal client."""
