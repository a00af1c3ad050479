"""The panes: each a few lines of text made from a picture, to fit a width and a height."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.text import Text

from sidereal.tools.monitor import marks
from sidereal.tools.monitor.history import Picture
from sidereal.tools.monitor.keys import Binding
from sidereal.tools.monitor.listing import Listing

LABEL_WIDTH: Final = 11
VALUE_WIDTH: Final = 25
LAG_MS_SCALE: Final = 2000.0
LAG_MS_WARN: Final = 500.0
LAG_MS_BAD: Final = 1000.0
"""Rows that wait longer for the database are a reason to look."""


def pane(
    title: Text, lines: Sequence[Text], width: int, height: int, corner: Text | None = None
) -> list[Text]:
    """Put a frame around lines.

    Args:
        title: in the upper edge, on the left.
        lines: cut or filled up to what fits.
        width: of the whole, columns.
        height: of the whole, lines.
        corner: in the upper edge, on the right, where there is room.
    """
    inner = width - 4
    named = marks.fit(title, min(title.cell_len, width - 5))
    top = marks.say("╭─", marks.EDGE).append_text(named)
    right = corner if corner and named.cell_len + corner.cell_len + 5 <= width else Text()
    top.append("─" * (width - 4 - named.cell_len - right.cell_len), marks.EDGE)
    top.append_text(right).append("─╮", marks.EDGE)
    body = [*lines[: height - 2], *[Text()] * (height - 2 - len(lines))]
    framed = [
        marks.say("│ ", marks.EDGE).append_text(marks.fit(line, inner)).append(" │", marks.EDGE)
        for line in body
    ]
    return [top, *framed, marks.say("╰" + "─" * (width - 2) + "╯", marks.EDGE)]


def beside(*panes: Sequence[Text]) -> list[Text]:
    """Put panes of the same height next to each other."""
    return [Text.assemble(*parts) for parts in zip(*panes, strict=True)]


def title(words: str, note: str = "") -> Text:
    """Title of a pane, and a dim note after it."""
    text = marks.say(f" {words} ", marks.BOLD)
    return text.append(f"{note} ", marks.DIM) if note else text


def key_hint(key: str, words: str) -> Text:
    """A key in the edge of the pane it belongs to."""
    return Text(" ").append(key, marks.KEY).append(f" {words} ", marks.DIM)


def _line(label: str, value: Text, curve: Text | None = None) -> Text:
    line = marks.say(f"{label:<{LABEL_WIDTH}}", marks.DIM)
    if curve is None:
        return line.append_text(value)
    return line.append_text(marks.fit(value, VALUE_WIDTH)).append_text(curve)


def world_lines(picture: Picture, width: int) -> list[Text]:
    """Numbers of the cluster with their curves, the most important first."""
    room = max(0, width - LABEL_WIDTH - VALUE_WIDTH)
    replication, budget = picture.status["replication"], picture.tick_ms_budget

    def curve(name: str, **scale: float) -> Text:
        return marks.sparkline(picture.curves.get(name, ()), room, **scale)

    ticks = replication["tick_ms"]
    p99 = ticks["p99"]
    tick = Text(marks.milliseconds(ticks["p50"])).append(" p50  ", marks.DIM)
    tick.append(marks.milliseconds(p99), marks.judge(p99, budget / 2, budget))
    tick.append(" p99 ms ", marks.DIM)
    spent = picture.rates.get("cpu_ms_per_tick")
    cpu = marks.say(marks.milliseconds(spent), marks.judge(spent, budget / 2, budget))
    cpu.append(f" of {budget:.0f} ms a tick", marks.DIM)
    return [
        *_withheld(picture),
        _line("tick", tick, marks.gauge(None if p99 is None else p99 / budget, min(room, 20))),
        _line("processor", cpu, curve("cpu_ms_per_tick", high=budget, warn=budget / 2, bad=budget)),
        _line("entities", _entities(picture), curve("entities")),
        _line("clients", Text(marks.number(replication["clients"])), curve("clients")),
        _line("handovers", _total(picture, "handovers"), curve("handovers")),
        _line("happened", _total(picture, "happened"), _happening(picture)),
        _line("database", _database(picture), _lag_curve(picture, room)),
        _line("rejected", _rejected(picture), curve("rejected")),
        _line("memory", _memory(picture), curve("private_mb")),
        _line("proposals", _total(picture, "proposals"), curve("proposals")),
        _line("snapshots", _total(picture, "snapshots"), curve("snapshots")),
        _line("to clients", _bytes(picture, "bytes_out"), curve("bytes_out")),
        _line("from them", _bytes(picture, "bytes_in"), curve("bytes_in")),
        _line("to shards", _bytes(picture, "shard_bytes_out"), curve("shard_bytes_out")),
        _line("from them", _bytes(picture, "shard_bytes_in"), curve("shard_bytes_in")),
    ]


def _withheld(picture: Picture) -> list[Text]:
    """Name the code that went wrong, and how many sectors stand still for it."""
    withheld = picture.status["withheld"]
    if not withheld:
        return []
    count = f"{len(withheld)} sectors" if len(withheld) > 1 else "1 sector"
    newest = max(withheld, key=lambda row: int(row["tick"]))
    text = f"{count} from {newest['x']},{newest['y']}: {newest['why']}"
    return [_line("withheld", marks.say(text, marks.BAD))]


def _entities(picture: Picture) -> Text:
    replication = picture.status["replication"]
    text = Text(marks.number(replication["entities"]))
    text.append(f" in {len(picture.status['sectors'])} sectors", marks.DIM)
    return text


def _total(picture: Picture, name: str) -> Text:
    text = Text(f"{marks.rate(picture.rates.get(name)):<9} ")
    return text.append(marks.number(picture.status["replication"][name]), marks.DIM)


def _happening(picture: Picture) -> Text:
    """Name the game's events that happen now, the most frequent first, or else those that have."""
    counts = picture.status["replication"]["happened_by_name"]
    rates = {name: picture.rates.get(f"happened.{name}", 0.0) for name in counts}
    text = Text()
    for name in sorted(counts, key=lambda name: (-rates[name], -counts[name])):
        if counts[name]:
            text.append(f"{name} ", marks.DIM)
            text.append(f"{marks.rate(rates[name])}  " if rates[name] else "– ")
    return text


def _bytes(picture: Picture, name: str) -> Text:
    return Text(marks.byte_rate(picture.rates.get(name)))


def _memory(picture: Picture) -> Text:
    text = Text(f"{picture.status['process']['private_mb']:.0f} MB")
    return text.append(" of the server's own", marks.DIM)


def _rejected(picture: Picture) -> Text:
    replication = picture.status["replication"]
    now = picture.rates.get("rejected")
    text = marks.say(f"{marks.rate(now):<9} ", marks.WARN if now else marks.PLAIN)
    total = sum(replication["rejected"].values())
    return text.append(f"{marks.number(total)}, fenced {replication['fenced']}", marks.DIM)


def _database(picture: Picture) -> Text:
    database = picture.status["database"]
    if not database["available"]:
        waiting = f"AWAY, {marks.number(database['waiting_rows'])} rows wait"
        return marks.say(waiting, marks.BAD)
    lag = database["lag_ms"]
    text = marks.say(f"{marks.milliseconds(lag)} ms", marks.judge(lag, LAG_MS_WARN, LAG_MS_BAD))
    return text.append(f" behind, {marks.number(database['waiting_rows'])} rows", marks.DIM)


def _lag_curve(picture: Picture, room: int) -> Text:
    lags = picture.curves.get("lag_ms", ())
    return marks.sparkline(lags, room, high=LAG_MS_SCALE, warn=LAG_MS_WARN, bad=LAG_MS_BAD)


def player_lines(picture: Picture) -> list[Text]:
    """What an ordinary client is being sent, measured by one."""
    seen = picture.observed
    if not seen.joined:
        return [
            marks.say(f"no snapshots: {seen.why}", marks.WARN),
            marks.say("all numbers here come from /v1/status alone", marks.DIM),
        ]
    age = marks.say(marks.seconds(seen.data_age_s), marks.judge(seen.data_age_s, 0.25, 1.0))
    snapshots = Text(f"{seen.snapshot_hz:.1f} Hz").append("  in ", marks.DIM)
    snapshots.append(marks.byte_rate(seen.bytes_in_per_s))
    rtt = marks.say(f"{1000 * seen.rtt_s:.1f}", marks.judge(seen.rtt_s, 0.1, 0.25))
    rtt.append(f" ± {1000 * seen.jitter_s:.1f} ms  lost ", marks.DIM)
    rtt.append(f"{100 * seen.loss:.1f} %", marks.judge(seen.loss, 0.02, 0.1))
    sees = Text(marks.number(seen.visible)).append(" entities, tick ", marks.DIM)
    sees.append(marks.number(seen.newest_tick))
    return [
        _line("data", age.append(" old", marks.DIM)),
        _line("snapshots", snapshots),
        _line("round trip", rtt),
        _line("sees", sees),
    ]


def shard_lines(picture: Picture, shard: Mapping[str, Any], width: int, height: int) -> list[Text]:
    """One shard closely: curves of its step, its entities and processor, and its sectors."""
    number, budget = shard["id"], picture.tick_ms_budget
    sectors = [sector for sector, row in picture.sectors if row["shard"] == number]
    where = " ".join(f"{sector.x},{sector.y}" for sector in sectors)
    curves = picture.curves
    steps = curves.get(f"step_p99_ms.{number}", ())
    known = [step for step in steps if step is not None]
    high = budget if not known or max(known) > budget / 4 else budget / 4
    room = max(10, width - LABEL_WIDTH)
    words = f"step p99, full height {high:g} ms, tick {budget:g} ms"
    lines = [
        _line("process", marks.say(str(shard["pid"]))),
        _line("sectors", marks.say(where or "none", marks.PLAIN if where else marks.DIM)),
    ]
    for name, label, top in (("entities", "entities", None), ("cpu_percent", "cpu 0-100", 100.0)):
        line = marks.sparkline(curves.get(f"{name}.{number}", ()), room, high=top)
        lines.append(_line(label, line))
    lines.append(marks.say(words, marks.DIM))
    return [*lines, *marks.chart(steps, width, max(1, height - 5), high=high, bad=budget)]


def handover_lines(picture: Picture, width: int, height: int) -> list[Text]:
    """How many hand over now and in all, what was refused and why, and the curve."""
    replication = picture.status["replication"]
    text = marks.say(marks.rate(picture.rates.get("handovers")), marks.BOLD)
    text.append(f"  {marks.number(replication['handovers'])} in all", marks.DIM)
    guests = sum(shard["guests"] or 0 for shard in picture.status["shards"])
    text.append("   guests ", marks.DIM).append(marks.number(guests))
    rebalanced = marks.number(replication["rebalanced"])
    text.append("   moved with their sector ", marks.DIM).append(rebalanced)
    text.append("   fenced ", marks.DIM).append(marks.number(replication["fenced"]))
    shadows = sum(shard["shadows"] or 0 for shard in picture.status["shards"])
    text.append("   cut ", marks.DIM).append(marks.number(replication["islands_split"]))
    text.append(", shadows ", marks.DIM).append(marks.number(shadows))
    reasons = marks.say("rejected ", marks.DIM)
    for reason, count in sorted(replication["rejected"].items(), key=lambda item: -item[1]):
        reasons.append(f"{reason.replace('_', ' ')} ").append(f"{count:,}   ", marks.WARN)
    if not replication["rejected"]:
        reasons.append("nothing", marks.GOOD)
    values = picture.curves.get("handovers", ())
    high = max((value for value in values[-width:] if value is not None), default=0.0)
    scale = marks.say(f"per second, full height {marks.rate(high)}", marks.DIM)
    return [text, reasons, scale, *marks.chart(values, width, max(1, height - 3), high=high)]


def table_lines(listing: Listing, chosen: int | None, width: int, height: int) -> list[Text]:
    """Draw a table: titles, then the rows around the chosen one.

    Args:
        listing: the table.
        chosen: row that is marked, None for none.
        width: columns there are; table columns are dropped until it fits.
        height: lines there are.
    """
    rows = listing.rows
    room = max(0, height - 1)
    row = 0 if chosen is None else min(chosen, max(0, len(rows) - 1))
    first = max(0, min(row - room // 2, len(rows) - room))
    shown = rows[first : first + room]
    widths = {
        index: max(len(column.title) + 1, *(r.cells[index].text.cell_len for r in shown), 1)
        for index, column in enumerate(listing.columns)
    }
    kept = _columns_that_fit(listing, widths, width)
    head = Text()
    for index in kept:
        column = listing.columns[index]
        sign = ("▴" if listing.reverse else "▾") if index == listing.column else ""
        style = marks.KEY if sign else marks.DIM
        name = marks.say(column.title + sign, style)
        head.append_text(marks.fit(name, widths[index], right=column.right)).append("  ")
    lines = [head]
    for place, entry in enumerate(shown):
        line = Text()
        for index in kept:
            cell = entry.cells[index].text
            right = listing.columns[index].right
            line.append_text(marks.fit(cell, widths[index], right=right)).append("  ")
        if chosen is not None and first + place == row:
            line = marks.fit(line, width)
            line.stylize(marks.CHOSEN)
        lines.append(line)
    if not rows:
        words = "nothing matches the filter: esc clears it" if listing.total else "nothing yet"
        lines.append(marks.say(words, marks.DIM))
    return lines


def _columns_that_fit(listing: Listing, widths: dict[int, int], width: int) -> list[int]:
    kept = list(range(len(listing.columns)))
    while sum(widths[index] + 2 for index in kept) - 2 > width:
        droppable = [index for index in kept if listing.columns[index].drop]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda index: listing.columns[index].drop))
    return kept


def help_lines(bindings: Sequence[Binding]) -> list[Text]:
    """List keys and what they do."""
    wide = max(len(binding.key) for binding in bindings)
    return [
        marks.say(f"  {binding.key:<{wide}}  ", marks.KEY).append(binding.words)
        for binding in bindings
    ]


def freshness(picture: Picture) -> Text:
    """Say how old what is shown is, as a player would find it."""
    seen = picture.observed
    if not seen.joined:
        text = marks.say("● ", marks.judge(picture.status_age_s, 1.0, 3.0))
        return text.append(f"status {marks.seconds(picture.status_age_s)} old, no snapshots")
    age = seen.data_age_s if math.isfinite(seen.data_age_s) else 0.0
    text = marks.say("● ", marks.judge(age, 0.25, 1.0)).append(f"data {marks.seconds(age)} old")
    return text.append(f"  rtt {1000 * seen.rtt_s:.1f} ms", marks.DIM)
