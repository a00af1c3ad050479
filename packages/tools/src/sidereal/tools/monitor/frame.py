"""The whole screen: a header that says how fresh it is, tabs, panes, and the keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from sidereal.client.front import palette
from sidereal.tools.monitor import marks, panels
from sidereal.tools.monitor.desk import Desk
from sidereal.tools.monitor.history import Picture, Sector
from sidereal.tools.monitor.keys import SCREENS, MapMode, Screen, bindings
from sidereal.tools.monitor.listing import Listing, list_rows
from sidereal.tools.monitor.panels import key_hint, pane, title
from sidereal.tools.monitor.sectormap import describe_mode, describe_sector, draw_map

WIDTH_MIN: Final = 60
HEIGHT_MIN: Final = 14
MAP_FROM_WIDTH: Final = 110
"""On narrower screens the map goes first."""
DETAIL_FROM_HEIGHT: Final = 18
STALE_S: Final = 1.0
"""Older data turn the header yellow."""
WORLD_LINES: Final = 14
PLAYER_LINES: Final = 4

_TITLES: Final = {Screen.HANDOVERS: "changes of owner, as seen from here"}


class Frame:
    """One screen full of text, for rich to draw."""

    def __init__(self, lines: Sequence[Text]) -> None:
        self.lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give the lines to rich; they fit already."""
        for line in self.lines:
            yield from line.render(console, end="\n")


def draw_frame(desk: Desk, picture: Picture, width: int, height: int, *, colour: bool) -> Frame:
    """Draw the screen.

    Args:
        desk: what is chosen.
        picture: what is known; a frozen one on the desk is shown instead of it.
        width: columns of the terminal.
        height: lines of the terminal.
        colour: whether the terminal has colours.
    """
    if width < WIDTH_MIN or height < HEIGHT_MIN:
        words = f"{WIDTH_MIN}×{HEIGHT_MIN} needed, this is {width}×{height}"
        return Frame([Text("too small"[:width]), Text(words[:width])][:height])
    shown = desk.frozen or picture
    room = height - 3
    if desk.help:
        keys = panels.help_lines(bindings(desk.screen))
        body = pane(title(f"keys of {desk.screen.value}"), keys, width, room, key_hint("?", "back"))
    elif desk.screen is Screen.OVERVIEW:
        body = _overview(desk, shown, width, room, colour)
    else:
        body = _table_screen(desk, shown, width, room, colour)
    lines = [_header(desk, picture, width), _tabs(desk, shown, width), *body, _footer(desk, width)]
    return Frame([marks.fit(line, width) for line in lines])


def _header(desk: Desk, picture: Picture, width: int) -> Text:
    if picture.silent_s is not None:
        words = f" no answer for {marks.seconds(picture.silent_s)}: {picture.why}; trying again"
        return _banner(words, f"{picture.server} ", width, palette.BAD)
    if desk.frozen is not None:
        words = f" frozen {marks.seconds(picture.at - desk.frozen.at)} ago, counting goes on"
        return _banner(words, "space to go on ", width, palette.INTERPOLATED)
    age = picture.observed.data_age_s if picture.observed.joined else picture.status_age_s
    if age > STALE_S:
        return _banner(f" data {marks.seconds(age)} old", f"{picture.server} ", width, palette.WARN)
    right = panels.freshness(picture).append(" ")
    room = width - right.cell_len
    line = Text()
    for part in _header_parts(picture):
        if line.cell_len + part.cell_len < room:
            line.append_text(part)
    return marks.fit(line, max(0, room)).append_text(right)


def _header_parts(picture: Picture) -> list[Text]:
    """What the header says where there is room, the most important first."""
    status, hz = picture.status, picture.tick_hz
    tick = marks.say("   tick ", marks.DIM).append(marks.number(status["tick"]))
    if hz is not None:
        slow = status["tick_hz"] - hz
        tick.append(" at ", marks.DIM).append(f"{hz:.1f} Hz", marks.judge(slow, 0.8, 3.0))
    ages = f"  {status['version']}, up {marks.seconds(status['uptime_s'])}"
    return [
        marks.say(" sidereal ", marks.ink((12, 14, 20), bold=True, ground=palette.SHARDS[0])),
        marks.say(f" {picture.server}", marks.BOLD),
        tick,
        marks.say(ages, marks.DIM),
    ]


def _banner(left: str, right: str, width: int, colour: palette.Rgb) -> Text:
    room = max(0, width - len(right))
    text = marks.fit(Text(left), room).append(right)
    text.stylize(marks.ink((12, 14, 20), bold=True, ground=colour))
    return text


def _tabs(desk: Desk, picture: Picture, width: int) -> Text:
    replication = picture.status["replication"]
    counts = {
        Screen.SHARDS: len(picture.status["shards"]),
        Screen.SECTORS: len(picture.status["sectors"]),
        Screen.HANDOVERS: replication["handovers"],
        Screen.CLIENTS: replication["clients"],
    }
    text = Text(" ")
    for number, screen in enumerate(SCREENS, 1):
        here = screen is desk.screen
        text.append(f" {number}", marks.KEY if not here else marks.CHOSEN)
        text.append(f" {screen.value}", marks.CHOSEN if here else marks.PLAIN)
        if screen in counts and width >= MAP_FROM_WIDTH:
            text.append(f" {marks.number(counts[screen])}", marks.CHOSEN if here else marks.DIM)
        text.append(" ", marks.CHOSEN if here else marks.PLAIN).append(" ")
    if desk.back:
        text.append(f"  esc → {desk.back[-1].value}", marks.DIM)
    return text


def _footer(desk: Desk, width: int) -> Text:
    if desk.typing:
        text = marks.say(" / ", marks.KEY).append(desk.choice.words).append("▌", marks.KEY)
        return text.append("   enter keeps it, esc clears it", marks.DIM)
    hints = [
        marks.say(binding.key.partition("  ")[0], marks.KEY).append(f" {binding.short}", marks.DIM)
        for binding in bindings(desk.screen)
        if binding.short
    ]
    while sum(hint.cell_len + 3 for hint in hints) > width and len(hints) > 2:
        del hints[-3]  # the last two say how to learn the others, and how to leave
    return Text(" ").append_text(Text("   ").join(hints))


def _overview(desk: Desk, picture: Picture, width: int, height: int, colour: bool) -> list[Text]:
    if desk.expanded:
        return _map_pane(picture, desk.mode, desk.sector, width, height, colour)
    if width < MAP_FROM_WIDTH or height < DETAIL_FROM_HEIGHT:
        return _cluster(picture, width, height)
    below = PLAYER_LINES + 2
    left = min(max(44, 2 * (height - below - 4) + 4), width * 45 // 100)
    player = panels.player_lines(picture)
    note = "its game is not here" if picture.observed.described else ""
    return panels.beside(
        [
            *_map_pane(picture, desk.mode, desk.sector, left, height - below, colour),
            *pane(title("what a player sees", note), player, left, below),
        ],
        _cluster(picture, width - left, height),
    )


def _map_pane(
    picture: Picture, mode: MapMode, chosen: Sector | None, width: int, height: int, colour: bool
) -> list[Text]:
    room = height - 4
    drawn = draw_map(picture, mode, chosen, width - 4, room, colour=colour)
    above = (room - len(drawn)) // 2
    padded = [*[Text()] * above, *drawn, *[Text()] * (room - above - len(drawn))]
    if chosen is None or mode is MapMode.SIGHT:
        below = describe_mode(picture, mode, colour=colour)
    else:
        below = describe_sector(picture, chosen)
    name = title("sectors", f"by {mode.value if colour else MapMode.OWNER.value}")
    if mode is MapMode.SIGHT:
        name = title("sight", "what the observer is sent")
    return pane(name, [*padded, Text(), below], width, height, key_hint("m", "map"))


def _cluster(picture: Picture, width: int, height: int) -> list[Text]:
    """Numbers, shards, events, one above the other; the less there is room, the fewer numbers."""
    shards = list_rows(Screen.SHARDS, picture)
    shards_height = min(len(shards.rows) + 3, max(5, height // 3))
    events_min = 5 if height >= DETAIL_FROM_HEIGHT else 0
    world_height = min(WORLD_LINES + 2, height - shards_height - events_min)
    events_height = height - world_height - shards_height
    world = panels.world_lines(picture, width - 4)
    lines = pane(title("cluster"), world, width, world_height)
    table = panels.table_lines(shards, None, width - 4, shards_height - 2)
    lines += pane(title("shards"), table, width, shards_height, key_hint("2", "more"))
    if events_height >= 3:
        events = list_rows(Screen.EVENTS, picture)
        newest = panels.table_lines(events, None, width - 4, events_height - 2)
        lines += pane(title("events"), newest, width, events_height, key_hint("6", "more"))
    return lines


def _table_screen(
    desk: Desk, picture: Picture, width: int, height: int, colour: bool
) -> list[Text]:
    listing = desk.listing(picture)
    row = min(desk.choice.row, len(listing.rows) - 1)
    chosen = listing.rows[row].key if listing.rows else None
    roomy = not desk.expanded and height >= DETAIL_FROM_HEIGHT
    if desk.screen is Screen.SECTORS and roomy and width >= MAP_FROM_WIDTH:
        left = width * 55 // 100
        sector = chosen if isinstance(chosen, Sector) else None
        return panels.beside(
            _table_pane(desk, listing, left, height),
            _map_pane(picture, desk.mode, sector, width - left, height, colour),
        )
    shard = next((shard for shard in picture.shards if shard["id"] == chosen), None)
    if desk.screen is Screen.SHARDS and roomy and shard is not None:
        below = height // 2
        name = title(
            f"{marks.shard_label(shard['id'])} {marks.printable(shard['name'])}",
            "newest on the right",
        )
        lines = panels.shard_lines(picture, shard, width - 4, below - 2)
        table = _table_pane(desk, listing, width, height - below)
        return [*table, *pane(name, lines, width, below)]
    if desk.screen is Screen.HANDOVERS and roomy:
        above = min(height // 3, 10)
        lines = panels.handover_lines(picture, width - 4, above - 2)
        top = pane(title("entities handed over"), lines, width, above)
        return [*top, *_table_pane(desk, listing, width, height - above)]
    return _table_pane(desk, listing, width, height)


def _table_pane(desk: Desk, listing: Listing, width: int, height: int) -> list[Text]:
    words, count = desk.choice.words, len(listing.rows)
    note = f"{count} of {listing.total} with “{words}”" if words.strip() else f"{count}"
    if listing.column is not None:
        note += f", by {listing.columns[listing.column].title or 'details'}"
    lines = panels.table_lines(listing, desk.choice.row, width - 4, height - 2)
    named = title(_TITLES.get(desk.screen, desk.screen.value), note)
    return pane(named, lines, width, height, key_hint("/", "filter"))
