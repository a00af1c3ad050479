"""Sidereal tools."""
