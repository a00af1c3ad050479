"""The words and numbers on the screen, from a `Frame` and the meters; no drawing here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from sidereal.client.front import palette
from sidereal.client.front.frame import Frame
from sidereal.client.front.meter import Meter
from sidereal.client.front.palette import Rgb, shard_name
from sidereal.client.returning import Absence
from sidereal.client.statistics import SessionState
from sidereal.game.builtin import Label, Motion
from sidereal.game.column import Field as Column

AGE_YELLOW_S: Final = 0.25
AGE_RED_S: Final = 1.0
FRAME_YELLOW_MS: Final = 25.0
LABEL_LETTERS_MAX: Final = 12
"""Of the name of a field in the inspector."""


class Field(NamedTuple):
    """A labelled value of the top bar."""

    label: str
    value: str
    colour: Rgb
    width: int
    """Letters kept free for the value, so that nothing jumps about."""
    rank: int
    """Where there is no room for all, those with the highest are left out first."""


def age_colour(age_s: float) -> Rgb:
    """Green while data is fresh, yellow when it is late, red when the picture may lie."""
    if age_s > AGE_RED_S:
        return palette.BAD
    return palette.WARN if age_s > AGE_YELLOW_S else palette.GOOD


def age_text(frame: Frame) -> str:
    """How old the newest data is."""
    if frame.statistics.newest_tick < 0:
        return "no data yet"
    age_s = frame.data_age_s
    return f"{age_s:.1f} s" if age_s >= 1.0 else f"{1000 * age_s:.0f} ms"


def top_bar(frame: Frame, meter: Meter) -> list[Field]:
    """Everything a stranger asks first, left to right."""
    view, statistics = frame.view, frame.statistics
    sector_x, sector_y = frame.sector_at(*frame.place)
    owner = int(frame.ownership.owners(np.array([sector_x]), np.array([sector_y]))[0])
    if view.own >= 0:
        owner = int(view.shard[view.own])
    frame_p50, frame_p99 = meter.frame_ms.percentiles(50, 99)
    frame_colour = palette.WARN if frame_p99 > FRAME_YELLOW_MS else palette.TEXT
    delay_ms = 1000 * frame.rules.tick_s * (view.server_tick - view.tick)
    known = statistics.newest_tick >= 0
    sector = f"{sector_x},{sector_y}"
    return [
        Field("mode", "observer" if frame.observing else "player", palette.TEXT, 8, 5),
        Field("sector", sector, palette.TEXT, max(7, len(sector)), 2),
        Field("simulated by", shard_name(owner), palette.shard_colour(owner), 6, 1),
        Field("tick", f"{statistics.newest_tick}" if known else "–", palette.TEXT, 7, 9),
        Field("entities", f"{len(view)}", palette.TEXT, 6, 4),
        Field("shards", f"{len(frame.ownership.shards())}", palette.TEXT, 3, 8),
        Field("frame p50/p99", f"{frame_p50:.1f}/{frame_p99:.1f} ms", frame_colour, 13, 6),
        Field("rtt", f"{1000 * statistics.rtt_s:.0f} ms" if known else "–", palette.TEXT, 6, 3),
        Field("view delay", f"{delay_ms:.0f} ms", palette.TEXT, 8, 7),
        Field("data age", age_text(frame), _age_colour_of(frame), 11, 0),
    ]


def _age_colour_of(frame: Frame) -> Rgb:
    if frame.statistics.newest_tick < 0:
        return palette.WARN
    return age_colour(frame.data_age_s)


def banner(frame: Frame) -> tuple[str, Rgb] | None:
    """The one thing that spoils everything else, in large letters."""
    statistics = frame.statistics
    if statistics.state is SessionState.ENDED:
        return "session ended", palette.BAD
    if frame.absence is not None:
        return _absence_text(frame.absence, frame), palette.BAD
    if statistics.state is not SessionState.JOINED or statistics.newest_tick < 0:
        return f"{statistics.state.value}…", palette.WARN
    if frame.data_age_s > AGE_RED_S:
        return f"no data for {frame.data_age_s:.1f} s", palette.BAD
    return None


def _absence_text(absence: Absence, frame: Frame) -> str:
    wait_s = absence.again_at - frame.now
    if frame.statistics.state is not SessionState.WAITING or wait_s <= 0.0:
        return f"{absence.reason}: connecting again…"
    return f"{absence.reason}: again in {math.ceil(wait_s)} s"


def inspector(frame: Frame) -> list[tuple[str, str]]:
    """Name and value of everything known about the selected entity."""
    view, row = frame.view, frame.selected
    if row < 0:
        return []
    kind = frame.looks.kind(int(view.kind[row]))
    x, y = float(view.x[row]), float(view.y[row])
    sector_x, sector_y = frame.sector_at(x, y)
    size = frame.rules.sector_size
    error = math.hypot(x - float(view.authority_x[row]), y - float(view.authority_y[row]))
    speed = math.hypot(float(view.vx[row]), float(view.vy[row]))
    return [
        ("id", f"e{int(view.net_id[row])}"),
        ("name", frame.name_of(row)),
        ("kind", f"kind {int(view.kind[row])}" if kind is None else kind.name),
        ("shard", shard_name(int(view.shard[row]))),
        ("sector", f"{sector_x},{sector_y}"),
        ("place", f"{x - sector_x * size:.1f}, {y - sector_y * size:.1f}"),
        ("speed", f"{speed:.1f} u/s"),
        ("data age", f"{1000 * float(view.age_s[row]):.0f} ms"),
        ("drawn−said", f"{error:.2f} u"),
        *_component_lines(frame, row),
    ]


def _component_lines(frame: Frame, row: int) -> Iterator[tuple[str, str]]:
    """All else that a client is sent of an entity, by the names that the game gave it."""
    for component in frame.looks.shown(int(frame.view.kind[row])):
        if component in (Motion, Label):  # said above
            continue
        columns = frame.view[component]
        for name, column in component.fields.items():
            yield (
                name.replace("_", " ")[:LABEL_LETTERS_MAX],
                _value(column, getattr(columns, name)[row]),
            )


def _value(column: Column, value: Any) -> str:
    if column.storage.dtype == "S":
        return bytes(value).decode("utf-8", "replace")
    if column.storage.reference:
        return f"e{value}" if value else "none"
    return f"{value:.6g} {column.options.unit}".rstrip()


def link_lines(frame: Frame, meter: Meter) -> list[tuple[str, str]]:
    """The net graph's numbers."""
    statistics = frame.statistics
    return [
        ("rtt", f"{1000 * statistics.rtt_s:.1f} ms ±{1000 * statistics.jitter_s:.1f}"),
        ("snapshots", f"{statistics.snapshot_hz:.1f}/s of {frame.rules.tick_hz}"),
        ("in / out", f"{_rate(statistics.bytes_in_per_s)} / {_rate(statistics.bytes_out_per_s)}"),
        ("loss", f"{100 * statistics.loss:.1f} %, {meter.lost} ticks missed"),
        ("prediction", _prediction_text(frame)),
    ]


def _rate(bytes_per_s: float) -> str:
    return f"{bytes_per_s / 1000:.1f} kB/s"


def _prediction_text(frame: Frame) -> str:
    if frame.described:
        return "none: the game is not here"
    statistics = frame.statistics
    return f"{statistics.corrections} corrections, last {statistics.position_error_units:.2f} u"
