"""The monitor's tables: columns and rows of each screen, filtered and sorted.

A cell is what is shown and what it sorts by. A filter is words that must all occur in a row, as
shown, in any order and case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from rich.text import Text

from sidereal.tools.monitor import marks
from sidereal.tools.monitor.history import Move, Picture
from sidereal.tools.monitor.keys import Screen

GAUGE_WIDTH: Final = 8


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        drop: columns with the highest go first where there is no room; 0 always stays.
    """

    title: str
    right: bool = False
    drop: int = 0


class Cell(NamedTuple):
    """What is shown, and what it sorts by (text ascending, numbers descending)."""

    text: Text
    order: float | str


class Row(NamedTuple):
    """One row; `key` says what it is about."""

    key: object
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A table as it is shown.

    Attributes:
        total: rows before the filter.
        column: sorted by it, None for the screen's own order.
    """

    columns: tuple[Column, ...]
    rows: list[Row]
    total: int
    column: int | None = None
    reverse: bool = False


SHARD_COLUMNS: Final = (
    Column("shard"),
    Column("state"),
    Column("sectors", True, 3),
    Column("entities", True),
    Column("guests", True, 5),
    Column("ghosts", True, 6),
    Column("step p50", True, 4),
    Column("p99 ms", True),
    Column("budget", False, 2),
    Column("cpu", True, 1),
    Column("own MB", True, 7),
    Column("late ticks", True, 8),
    Column("pid", True, 9),
)
SECTOR_COLUMNS: Final = (
    Column("sector"),
    Column("owner"),
    Column("epoch", True, 2),
    Column("entities", True),
    Column("share", False, 1),
    Column("held", True, 3),
)
HANDOVER_COLUMNS: Final = (
    Column("ago", True),
    Column("tick", True, 2),
    Column("what"),
    Column("from"),
    Column(""),
    Column("to"),
    Column("epoch", True, 1),
)
CLIENT_COLUMNS: Final = (
    Column("name"),
    Column("role"),
    Column("state", False, 1),
    Column("flies", True, 3),
    Column("rtt ms", True),
    Column("loss", True),
    Column("account", True, 2),
)
EVENT_COLUMNS: Final = (Column("ago", True), Column("tick", True, 1), Column("event"), Column(""))


def list_rows(
    screen: Screen,
    picture: Picture,
    words: str = "",
    column: int | None = None,
    reverse: bool = False,
) -> Listing:
    """Make the table of a screen.

    Args:
        screen: which; the overview has the events.
        picture: what is known.
        words: filter.
        column: to sort by, None for the screen's own order.
        reverse: turn the order round.
    """
    columns, make = _TABLES[screen]
    every = make(picture)
    wanted = words.casefold().split()
    rows = [row for row in every if all(word in _plain(row) for word in wanted)]
    if column is not None:
        rows.sort(key=lambda row: _order(row.cells[column].order))
    if reverse:
        rows.reverse()
    return Listing(columns, rows, len(every), column, reverse)


def _plain(row: Row) -> str:
    # A space after each column, so that a filter may ask for "S1 " and not get S12.
    return "".join(f"{cell.text.plain.strip()} " for cell in row.cells).casefold()


def _order(value: float | str) -> tuple[int, float, str]:
    return (1, 0.0, value.casefold()) if isinstance(value, str) else (0, -value, "")


def _words(text: str, style: Any = "") -> Cell:
    return Cell(marks.say(marks.printable(text), style), text)


def _count(value: float | None, style: Any = "", digits: int = 0) -> Cell:
    return Cell(marks.say(marks.number(value, digits), style), -1.0 if value is None else value)


def _duration(value_ms: float | None, style: Any = "") -> Cell:
    return Cell(marks.say(marks.milliseconds(value_ms), style), value_ms or 0.0)


def owner_text(shard: int, name: str = "") -> Text:
    """A shard's colour, number and name."""
    text = marks.say("█ ", marks.owner(shard))
    text.append(marks.shard_label(shard), marks.owner(shard, bold=True))
    return text.append(f" {marks.printable(name)}") if name else text


def shard_state(row: Mapping[str, Any], tick: int, tick_hz: float) -> Text:
    """How a shard is, in a word or two."""
    if "lost_s" in row:
        return marks.say(f"lost {marks.seconds(row['lost_s'])}", marks.BAD)
    late_s = (tick - row["newest_tick"]) / tick_hz
    if late_s > 1.0:
        return marks.say(f"silent {marks.seconds(late_s)}", marks.WARN)
    if row["state"] == "spare":
        return marks.say("spare", marks.GOOD)
    if row["state"] != "serving":
        return marks.say(row["state"], marks.WARN)
    if (row["step_ms"]["p99"] or 0.0) > 1000.0 / tick_hz and row["slowest"]:
        slow = f"slow: {row['slowest']} {marks.milliseconds(row['slowest_ms'])} ms"
        return marks.say(slow, marks.WARN)
    return marks.say("up", marks.GOOD) if row["sectors"] else marks.say("idle", marks.DIM)


def _shard_rows(picture: Picture) -> list[Row]:
    status, budget = picture.status, picture.tick_ms_budget
    rows = []
    for shard in sorted(picture.shards, key=lambda row: int(row["id"])):
        p50, p99 = shard["step_ms"]["p50"], shard["step_ms"]["p99"]
        lost, late = "lost_s" in shard, status["tick"] - shard["newest_tick"]
        cpu = shard["cpu_percent"]
        style = marks.DIM if lost else marks.PLAIN
        cells = (
            Cell(owner_text(shard["id"], shard["name"]), f"{shard['id']:05}"),
            _words_of(shard_state(shard, status["tick"], status["tick_hz"])),
            _count(shard["sectors"], style),
            _count(shard["entities"], style),
            _count(shard["guests"], style),
            _count(shard["ghosts"], style),
            _duration(p50, style),
            Cell(
                marks.say(marks.milliseconds(p99), marks.judge(p99, budget / 2, budget)), p99 or 0.0
            ),
            Cell(marks.gauge(None if p99 is None else p99 / budget, GAUGE_WIDTH), p99 or 0.0),
            Cell(marks.say(marks.BLANK if cpu is None else f"{cpu:.0f} %", style), cpu or 0.0),
            _count(shard["private_mb"], style),
            _count(late, marks.DIM if lost else marks.judge(late, 4, 20)),
            Cell(marks.say(str(shard["pid"]), style), shard["pid"]),
        )
        rows.append(Row(shard["id"], cells))
    return rows


def _words_of(text: Text) -> Cell:
    return Cell(text, text.plain)


def _sector_rows(picture: Picture) -> list[Row]:
    names = {shard["id"]: shard["name"] for shard in picture.shards}
    most = max((row["entities"] for _, row in picture.sectors), default=0)
    rows = []
    for sector, row in sorted(picture.sectors, key=lambda item: (-item[0].y, item[0].x)):
        held = picture.held_s.get(sector, 0.0)
        part = row["entities"] / most if most else 0.0
        bar = marks.say("━" * max(1, round(part * 16)) if part else "", marks.ink(marks.heat(part)))
        cells = (
            Cell(Text(f"{sector.x},{sector.y}"), f"{sector.x + (1 << 31):010},{sector.y:010}"),
            Cell(owner_text(row["shard"], names.get(row["shard"], "")), f"{row['shard']:05}"),
            _count(row["epoch"]),
            _count(row["entities"]),
            Cell(bar, row["entities"]),
            Cell(marks.say(marks.seconds(held), marks.judge(-held, -5, 1)), held),
        )
        rows.append(Row(sector, cells))
    return rows


def _handover_rows(picture: Picture) -> list[Row]:
    return [_handover_row(index, move, picture) for index, move in enumerate(picture.moves)][::-1]


def _handover_row(index: int, move: Move, picture: Picture) -> Row:
    ago = (picture.status["tick"] - move.tick) / picture.status["tick_hz"]
    if move.sector is not None:
        what = marks.say(f"sector {move.sector.x},{move.sector.y}", marks.BOLD)
    else:
        what = Text(f"entity {move.net_id}")
    cells = (
        Cell(marks.say(marks.seconds(ago), marks.DIM), -ago),
        _count(move.tick, marks.DIM),
        Cell(what, what.plain),
        Cell(owner_text(move.before), f"{move.before:05}"),
        _words("→", marks.DIM),
        Cell(owner_text(move.after), f"{move.after:05}"),
        _count(move.epoch or None, marks.DIM),
    )
    return Row(index, cells)


def _client_rows(picture: Picture) -> list[Row]:
    rows = []
    for client in picture.status["clients"]:
        rtt, loss = client["rtt_ms"], client["loss"]
        joined = client["state"] == "joined"
        shown = marks.BLANK if loss is None else f"{100 * loss:.1f} %"
        worst = None if loss is None else loss
        cells = (
            _words(client["name"] or marks.BLANK, marks.BOLD if joined else marks.DIM),
            _words(client["role"], marks.PLAIN if client["role"] == "player" else marks.KEY),
            _words(client["state"], marks.GOOD if joined else marks.WARN),
            _count(client["net_id"] or None),
            _duration(rtt, marks.judge(rtt, 100, 250)),
            Cell(marks.say(shown, marks.judge(worst, 0.02, 0.1)), loss or 0.0),
            Cell(
                Text(_account_text(client["account"])),
                client["account"] or 0,
            ),
        )
        rows.append(Row(client["name"], cells))
    return rows


def _account_text(account: int | None) -> str:
    if account is None:
        return marks.BLANK  # only operators are told
    return str(account) if account > 0 else "anonymous"


_EVENT_STYLES: Final = (
    ("withheld", marks.BAD),
    ("left", marks.WARN),
    ("lost", marks.BAD),
    ("server", marks.WARN),
    ("refused", marks.WARN),
    ("joined", marks.GOOD),
    ("free", marks.GOOD),
)


def _event_rows(picture: Picture) -> list[Row]:
    events = _gather_handovers(picture.events)
    return [_event_row(index, event, picture) for index, event in enumerate(events)][::-1]


def _gather_handovers(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Make one event of handovers that follow each other; there may be several a second."""
    gathered: list[Mapping[str, Any]] = []
    for event in events:
        before = gathered[-1] if gathered else None
        if event["event"] != "handover" or before is None or before["event"] != "handover":
            gathered.append(event)
            continue
        since = before.get("since_tick", before["tick"])
        gathered[-1] = {**event, "count": before["count"] + event["count"], "since_tick": since}
    return gathered


def _event_row(index: int, event: Mapping[str, Any], picture: Picture) -> Row:
    ago = (picture.status["tick"] - event["tick"]) / picture.status["tick_hz"]
    name = str(event["event"])
    style = next((style for part, style in _EVENT_STYLES if part in name), marks.PLAIN)
    cells = (
        Cell(marks.say(marks.seconds(ago), marks.DIM), -ago),
        _count(event["tick"], marks.DIM),
        _words(name.replace("_", " "), style),
        _words_of(_fields(event)),
    )
    return Row(index, cells)


def _fields(event: Mapping[str, Any]) -> Text:
    text = Text()
    if event["event"] == "handover":
        text.append(f"{event['count']} ").append("entities" if event["count"] > 1 else "entity")
        since = event.get("since_tick")
        return text if since is None else text.append(f" since tick {since:,}", marks.DIM)
    for name, said in event.items():
        value = said if isinstance(said, int) else marks.printable(said)
        if name in ("tick", "event", "account"):
            continue
        if name in ("shard", "before", "after") and isinstance(value, int):
            text.append_text(owner_text(value)).append(" ")
        elif name == "name":
            text.append(f"{value} ", marks.BOLD)
        elif name in ("reason", "role"):
            text.append(f"{value} ".lower().replace("_", " "))
        else:
            text.append(f"{name} ", marks.DIM).append(f"{value} ")
    return text


_TABLES: Final[dict[Screen, tuple[tuple[Column, ...], Callable[[Picture], list[Row]]]]] = {
    Screen.OVERVIEW: (EVENT_COLUMNS, _event_rows),
    Screen.SHARDS: (SHARD_COLUMNS, _shard_rows),
    Screen.SECTORS: (SECTOR_COLUMNS, _sector_rows),
    Screen.HANDOVERS: (HANDOVER_COLUMNS, _handover_rows),
    Screen.CLIENTS: (CLIENT_COLUMNS, _client_rows),
    Screen.EVENTS: (EVENT_COLUMNS, _event_rows),
}
