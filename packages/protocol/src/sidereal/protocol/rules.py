"""The numbers both ends of a link run on, decided by the replication server."""

from __future__ import annotations

import math

import msgspec

from sidereal.protocol.errors import ConfigError


class StreamLimits(
    msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """For how long both ends of a stream go by what is old, in ticks.

    Attributes:
        reorder_ticks: a receiver drops what is more than this older than the newest it has, and a
            sender ignores acks as late: so what counts as received was applied.
        tombstone_ticks: a cell remembers for so long who left it; a receiver that has acked nothing
            of it since then gets it whole. The age of a section travels in eight bits.
        record_age_ticks: a record is sent anew at this age, because its tick travels in 16 bits.
    """

    reorder_ticks: int = 100
    tombstone_ticks: int = 256
    record_age_ticks: int = 16_384

    @property
    def section_age_max(self) -> int:
        """Ticks a section may span."""
        return self.tombstone_ticks - 1


class Rules(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """World-wide constants, sent in every welcome so that both ends compute alike.

    Lengths are in world units, times in seconds unless the name says ticks.
    """

    tick_hz: int = 20
    substeps: int = 3
    sector_size: float = 1000.0
    cell_size: float = 250.0
    view_radius_cells: int = 2
    speed_max: float = 250.0
    """No entity is faster; the wire's velocity range follows from it."""
    streams: StreamLimits = StreamLimits()

    @property
    def tick_s(self) -> float:
        """Length of a tick in seconds."""
        return 1.0 / self.tick_hz

    @property
    def cells_per_side(self) -> int:
        """Cells along one edge of a sector."""
        return round(self.sector_size / self.cell_size)

    @property
    def window_side(self) -> int:
        """Cells along one edge of the window of a client."""
        return 2 * self.view_radius_cells + 1


def check_rules(rules: Rules) -> None:
    """Check that the rules can work together.

    Raises:
        ConfigError: naming every problem at once.
    """
    problems = [
        f"{name} must be finite"
        for name, value in zip(rules.__struct_fields__, msgspec.structs.astuple(rules), strict=True)
        if isinstance(value, float) and not math.isfinite(value)
    ]
    if not 1 <= rules.tick_hz <= 120:
        problems.append("tick_hz must be 1 to 120")
    if not 1 <= rules.substeps <= 16:
        problems.append("substeps must be 1 to 16")
    if not rules.cell_size > 0 or rules.sector_size % rules.cell_size != 0:
        problems.append("sector_size must be a whole multiple of cell_size")
    elif not rules.cell_size <= rules.sector_size <= 15 * rules.cell_size:
        problems.append("a sector has 1 to 15 cells along an edge")
    if not 1 <= rules.view_radius_cells <= 7:
        problems.append("view_radius_cells must be 1 to 7")
    if not 0 < rules.speed_max <= 250:
        problems.append("speed_max must be above 0 and at most 250 (the wire's range)")
    problems += _stream_problems(rules.streams)
    if problems:
        raise ConfigError("; ".join(problems))


def _stream_problems(streams: StreamLimits) -> list[str]:
    problems = []
    if not 1 <= streams.reorder_ticks < streams.tombstone_ticks <= 256:
        problems.append("streams need 1 <= reorder_ticks < tombstone_ticks <= 256")
    if not streams.tombstone_ticks < streams.record_age_ticks <= 1 << 15:
        problems.append("record_age_ticks must be above tombstone_ticks and at most 32768")
    return problems
