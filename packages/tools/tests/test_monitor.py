"""The monitor: keys, history, what keys do, every screen, the terminal, the one-shot modes."""

from __future__ import annotations

import copy
import dataclasses
import io
import itertools
import json
import os
import pty
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from sidereal.client.returning import Absence
from sidereal.client.statistics import ClientStatistics, SessionState
from sidereal.protocol.errors import ConfigError, UnavailableError
from sidereal.tools.monitor import marks
from sidereal.tools.monitor.app import Monitor, MonitorConfig, draw_svg, look_once
from sidereal.tools.monitor.desk import Desk
from sidereal.tools.monitor.frame import draw_frame
from sidereal.tools.monitor.history import History, Observed, Picture, Sector
from sidereal.tools.monitor.keys import SCREENS, KeyDecoder, MapMode, Screen, bindings
from sidereal.tools.monitor.listing import list_rows
from sidereal.tools.monitor.observer import explain, observe
from sidereal.tools.monitor.panels import world_lines
from sidereal.tools.monitor.sectormap import draw_map
from sidereal.tools.monitor.terminal import Terminal

RECORDED = json.loads((Path(__file__).parent / "recorded_status.json").read_text())
SEEN = Observed(True, "", 0.04, 709, 20.0, 0.012, 0.002, 0.0, 4200.0, 121)


def recorded(seconds: float = 0.0) -> dict[str, Any]:
    """The recorded state, as it would be that much later."""
    status: dict[str, Any] = copy.deepcopy(RECORDED)
    status["uptime_s"] += seconds
    status["tick"] += round(20 * seconds)
    status["process"]["cpu_s"] += 0.2 * seconds
    status["replication"]["handovers"] += round(3 * seconds)
    for name, per_s in (("missiles_burst", 8), ("talk_cry", 2)):
        status["replication"]["happened_by_name"][name] += round(per_s * seconds)
        status["replication"]["happened"] += round(per_s * seconds)
    status["replication"]["bytes_out"] += round(50_000 * seconds)
    return status


def history_of(seconds: int = 10) -> History:
    history = History("http://127.0.0.1:7070")
    for quarter in range(seconds * 4 + 1):
        history.answer(recorded(quarter / 4), 100.0 + quarter / 4)
    return history


def picture_of(observed: Observed = SEEN, after_s: float = 0.1) -> Picture:
    return history_of().picture(110.0 + after_s, observed)


def text_of(desk: Desk, picture: Picture, width: int = 130, height: int = 34) -> str:
    console = Console(
        record=True,
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    console.print(draw_frame(desk, picture, width, height, colour=True), end="")
    return console.export_text()


# -- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"q", ["q"]),
        (b"12\t", ["1", "2", "tab"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOC\x1bOD", ["right", "left"]),
        (b"\x1b[1;5A", ["up"]),
        (b"\x1b[5~\x1b[6;2~", ["page-up", "page-down"]),
        (b"\x1b[Z", ["shift-tab"]),
        (b"\x1b\x1b[A", ["esc", "up"]),
        (b"\r\n \x7f", ["enter", "enter", "space", "backspace"]),
        ("é".encode(), ["é"]),
        (b"\x1b[?1;2c", []),
        (b"\x1bx", []),
        (b"\x01\x02", []),
    ],
)
def test_bytes_of_a_terminal_become_keys(sent: bytes, keys: list[str]) -> None:
    assert KeyDecoder().feed(sent) == keys


def test_lone_esc_waits_for_silence() -> None:
    decoder = KeyDecoder()
    assert decoder.feed(b"\x1b") == []
    assert decoder.waiting
    assert decoder.flush() == ["esc"]
    assert not decoder.waiting
    assert decoder.feed(b"[") == ["["]


def test_unfinished_sequence_becomes_esc_and_letters_after_silence() -> None:
    decoder = KeyDecoder()
    assert decoder.feed(b"\x1b[") == []
    assert decoder.flush() == ["esc", "["]


SENT = st.lists(
    st.sampled_from(
        [b"q", b"\x1b[A", b"\x1bOB", b"\x1b[5~", b"\x1b[1;5C", "ü€".encode(), b"\r", b"\x1b[Z"]
    ),
    max_size=8,
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(parts=SENT, cuts=st.lists(st.integers(0, 40), max_size=5))
def test_keys_do_not_depend_on_how_reads_cut_them(parts: list[bytes], cuts: list[int]) -> None:
    sent = b"".join(parts)
    edges = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    whole, split = KeyDecoder(), KeyDecoder()
    keys = [key for a, b in itertools.pairwise(edges) for key in split.feed(sent[a:b])]
    assert keys == whole.feed(sent)
    assert not split.waiting


@settings(derandomize=True, deadline=None, max_examples=200)
@given(sent=st.binary(max_size=200))
def test_no_bytes_break_the_decoder(sent: bytes) -> None:
    decoder = KeyDecoder()
    keys = decoder.feed(sent) + decoder.flush()
    assert all(keys)
    assert not decoder.waiting


# -- history --------------------------------------------------------------------------------------


def test_rates_follow_from_totals() -> None:
    picture = picture_of()
    assert picture.tick_hz == pytest.approx(20, abs=0.3)
    assert picture.rates["handovers"] == pytest.approx(3, abs=0.5)
    assert picture.rates["bytes_out"] == pytest.approx(50_000, rel=0.01)
    assert picture.rates["cpu_ms_per_tick"] == pytest.approx(10, rel=0.05)


def test_curves_have_a_value_per_second_and_holes_where_nobody_answered() -> None:
    history = history_of(4)
    history.answer(recorded(8.5), 108.5)
    curve = history.picture(110.0, SEEN).curves["bytes_out"]
    assert len(curve) == 9
    assert curve[4:7] == [None, None, None]
    assert curve[7] == pytest.approx(50_000, rel=0.01)


def test_server_that_starts_again_makes_no_rates_across_the_break() -> None:
    history = history_of()
    again = recorded()
    again["uptime_s"], again["replication"]["handovers"] = 0.5, 0
    history.answer(again, 111.0)
    picture = history.picture(111.0, SEEN)
    assert picture.rates == {}
    assert "server_started_again" in [event["event"] for event in picture.events]


def test_silence_is_counted_from_the_last_answer_and_noted_when_it_ends() -> None:
    history = history_of()
    history.silence("connection refused", 111.0)
    history.silence("connection refused", 113.0)
    picture = history.picture(113.5, SEEN)
    assert picture.silent_s == pytest.approx(3.5)
    history.answer(recorded(14), 114.0)
    picture = history.picture(114.0, SEEN)
    assert picture.silent_s is None
    assert picture.events[-1]["event"] == "server_answers_again"


def test_events_told_again_are_listed_once() -> None:
    history = history_of(2)
    count = len(RECORDED["events"])
    assert len(history.picture(102.0, SEEN).events) == count
    status = recorded(3)
    status["events"] = [*status["events"][5:], {"tick": 900, "event": "shard_left", "shard": 2}]
    history.answer(status, 103.0)
    events = history.picture(103.0, SEEN).events
    assert len(events) == count + 1
    assert events[-1]["event"] == "shard_left"


def test_sector_that_changes_its_holder_is_a_move() -> None:
    history = history_of()
    status = recorded(11)
    row = status["sectors"][0]
    before, row["shard"], row["epoch"] = row["shard"], 7, row["epoch"] + 1
    history.answer(status, 111.0)
    picture = history.picture(113.0, SEEN)
    (move,) = picture.moves
    assert (move.sector, move.before, move.after) == (Sector(row["x"], row["y"]), before, 7)
    assert picture.held_s[Sector(row["x"], row["y"])] == pytest.approx(2)


def test_lost_shard_stays_listed_for_a_while() -> None:
    history = history_of()
    status = recorded(11)
    lost = status["shards"].pop(1)
    history.answer(status, 111.0)
    picture = history.picture(114.0, SEEN)
    assert [row["id"] for row in picture.shards] == [1, lost["id"]]
    assert "lost 3.0 s" in text_of(Desk(screen=Screen.SHARDS), picture)
    history.answer(status, 111.0 + 60)
    assert [row["id"] for row in history.picture(171.0, SEEN).shards] == [1]


# -- screens --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(130, 34), (84, 24), (60, 14), (220, 70)])
@pytest.mark.parametrize("screen", SCREENS)
def test_every_screen_fills_its_terminal_exactly(screen: Screen, size: tuple[int, int]) -> None:
    picture = picture_of()
    for expanded in (False, True):
        for help_shown in (False, True):
            desk = Desk(screen=screen, expanded=expanded, help=help_shown)
            frame = draw_frame(desk, picture, *size, colour=True)
            assert len(frame.lines) == size[1]
            assert {line.cell_len for line in frame.lines} == {size[0]}


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize(
    "name",
    [
        "李小龍李小龍",
        "שלום",
        "x" + "\u0335" * 8,
        "👨\u200d👩\u200d👧",
        "🇩🇪",
        "\u200b" * 5,
        "a\u3000b",
        "\x1b[31mred\x07",
        "a\u202eb",
        "a\nb",
    ],
)
def test_names_in_any_script_leave_every_line_as_it_is(
    screen: Screen, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = copy.deepcopy(RECORDED)
    for each in (*status["clients"], *status["shards"], *status["events"]):
        each["name"] = each["why"] = name
    monkeypatch.setitem(globals(), "RECORDED", status)
    frame = draw_frame(Desk(screen=screen), picture_of(), 84, 24, colour=True)
    assert {line.cell_len for line in frame.lines} == {84}
    drawn = "".join(line.plain for line in frame.lines)
    assert not {"\x1b", "\x07", "\u202e", "\n", "\u200b"} & set(drawn)


@pytest.mark.parametrize(
    ("screen", "words"),
    [
        (Screen.OVERVIEW, ["sectors by owner", "what a player sees", "processor", "client joined"]),
        (Screen.SHARDS, ["S1 shard-1", "guests", "late ticks", "step p99", "4711"]),
        (Screen.SECTORS, ["owner", "epoch", "S2 shard-2", "held"]),
        (Screen.HANDOVERS, ["entities handed over", "stale epoch 3", "nothing yet"]),
        (Screen.CLIENTS, ["bot-0001", "player", "joined", "rtt ms"]),
        (Screen.EVENTS, ["client joined", "entities since tick"]),
    ],
)
def test_screens_say_what_they_are_for(screen: Screen, words: list[str]) -> None:
    text = text_of(Desk(screen=screen), picture_of())
    assert [word for word in words if word not in text] == []


def test_overview_names_what_happens_the_most_frequent_first() -> None:
    lines = [line.plain for line in world_lines(picture_of(), 120)]
    (line,) = [line for line in lines if line.startswith("happened")]
    assert "10.0/s" in line
    assert line.index("missiles_burst 8.0/s") < line.index("talk_cry 2.0/s")
    assert line.index("talk_cry") < line.index("rocks_split –")
    assert "talk_wave" not in line, "it has never happened"


def test_overview_without_room_drops_the_map_first() -> None:
    text = text_of(Desk(), picture_of(), 84, 24)
    assert "by owner" not in text
    assert "cluster" in text
    assert "shards" in text


def test_terminal_too_small_says_what_is_needed() -> None:
    text = text_of(Desk(), picture_of(), 40, 8)
    assert "60×14 needed, this is 40×8" in text


def test_header_says_how_old_the_data_are() -> None:
    assert "data 40 ms old" in text_of(Desk(), picture_of())
    stale = Observed(True, "", 2.1, 700, 0.0, 0.01)
    assert text_of(Desk(), picture_of(stale)).startswith(" data 2.1 s old")


def test_a_world_whose_game_is_not_here_is_said_to_be_one() -> None:
    described = dataclasses.replace(SEEN, described=True)
    assert "its game is not here" in text_of(Desk(), picture_of(described))
    assert "its game is not here" not in text_of(Desk(), picture_of())


def test_without_datagrams_the_status_alone_is_shown_and_said() -> None:
    text = text_of(Desk(), picture_of(Observed(why="timed out; coming back")))
    assert "no snapshots: timed out" in text
    assert "status 100 ms old" in text
    assert "bot-0001" in text_of(Desk(screen=Screen.CLIENTS), picture_of(Observed()))


def test_server_away_is_said_in_the_header() -> None:
    history = history_of()
    history.silence("connection refused", 111.0)
    text = text_of(Desk(), history.picture(113.2, SEEN))
    assert text.startswith(" no answer for 3.2 s: connection refused; trying again")


def test_world_without_shards_and_sectors_is_drawn() -> None:
    status = recorded()
    status["shards"], status["sectors"], status["clients"], status["events"] = [], [], [], []
    history = History("http://127.0.0.1:7070")
    history.answer(status, 1.0)
    for screen in SCREENS:
        assert "sidereal" in text_of(Desk(screen=screen), history.picture(1.0, Observed()))


def test_a_shard_whose_ticks_take_too_long_names_its_slowest_system() -> None:
    status = recorded()
    slow, quick = status["shards"]
    for shard in (slow, quick):
        shard.update(slowest="system mine.mend", slowest_ms=41.25)
    slow["step_ms"]["p99"] = 62.0
    history = History("http://127.0.0.1:7070")
    history.answer(status, 1.0)
    lines = text_of(Desk(screen=Screen.SHARDS), history.picture(1.0, SEEN), 160).splitlines()
    assert next("slow: system mine.mend 41" in line for line in lines if "shard-1 " in line)
    assert not any("mine.mend" in line for line in lines if "shard-2 " in line)


def test_sectors_that_are_withheld_are_named_with_what_went_wrong() -> None:
    status = recorded()
    assert "withheld" not in text_of(Desk(), picture_of())
    why = "system mine.mend raised KeyError at tick 12"
    row = {"entities": 3, "what": "system mine.mend", "why": why}
    status["withheld"] = [{"x": 4, "y": -1, "tick": 8, **row}, {"x": 5, "y": -1, "tick": 12, **row}]
    history = History("http://127.0.0.1:7070")
    history.answer(status, 1.0)
    text = text_of(Desk(), history.picture(1.0, SEEN), 160)
    assert f"withheld   2 sectors from 5,-1: {why}" in text


def test_database_away_is_said() -> None:
    status = recorded()
    status["database"].update(available=False, waiting_rows=1234)
    history = History("http://127.0.0.1:7070")
    history.answer(status, 1.0)
    assert "AWAY, 1,234 rows wait" in text_of(Desk(), history.picture(1.0, SEEN))


@pytest.mark.parametrize("mode", list(MapMode))
def test_map_fits_whatever_the_world(mode: MapMode) -> None:
    for reach in (0, 1, 5, 40, 200_000):
        status = recorded()
        status["sectors"] = [
            {"x": x, "y": y, "shard": 1 + abs(x + y) % 9, "epoch": 1, "entities": abs(x)}
            for x, y in {(0, 0), (-reach, 0), (reach, -reach), (0, reach)}
        ]
        history = History("http://127.0.0.1:7070")
        history.answer(status, 1.0)
        picture = history.picture(1.0, SEEN)
        lines = draw_map(picture, mode, Sector(reach, -reach), 44, 20, colour=True)
        assert 0 < len(lines) <= 20
        assert max(line.cell_len for line in lines) <= 44
        if reach == 1 and mode is not MapMode.SIGHT:
            assert any("S1" in line.plain for line in lines)
        plain = draw_map(picture, mode, None, 44, 20, colour=False)
        assert len(plain) <= 20
        assert max(line.cell_len for line in plain) <= 44


def test_north_is_up_and_without_colours_the_owner_is_a_digit() -> None:
    status = recorded()
    status["sectors"] = [
        {"x": 0, "y": 1, "shard": 1, "epoch": 1, "entities": 3},
        {"x": 1, "y": 0, "shard": 2, "epoch": 1, "entities": 3},
    ]
    history = History("http://127.0.0.1:7070")
    history.answer(status, 1.0)
    lines = draw_map(history.picture(1.0, SEEN), MapMode.OWNER, None, 20, 5, colour=False)
    assert [line.plain.rstrip() for line in lines] == ["1", "  2"]


def test_without_colours_a_wide_world_is_shown_whole() -> None:
    status = recorded()
    status["sectors"] = [
        {"x": x, "y": y, "shard": shard, "epoch": 1, "entities": entities}
        for x, y, shard, entities in (
            (-60, 30, 1, 1),  # an outpost far off, where the map used to begin and end
            (0, 0, 2, 50),
            (1, 0, 1, 3),
            (60, -30, 3, 1),
        )
    ]
    history = History("http://127.0.0.1:7070")
    history.answer(status, 1.0)
    picture = history.picture(1.0, SEEN)
    lines = draw_map(picture, MapMode.OWNER, Sector(60, -30), 40, 12, colour=False)
    drawn = [line.plain.rstrip() for line in lines]
    assert [line.strip() for line in drawn if line] == ["1", "2", "3<"]
    assert drawn[0].startswith("1")
    console = Console(record=True, width=130, height=34, file=io.StringIO(), no_color=True)
    console.print(draw_frame(Desk(), picture, 130, 34, colour=False))
    shown = console.export_text()
    assert "1 S1  2 S2  3 S3  the owner" in shown
    assert "brighter" not in shown


# -- what keys do ---------------------------------------------------------------------------------


def press(desk: Desk, picture: Picture, *keys: str) -> Desk:
    for key in keys:
        desk.press(key, picture)
    return desk


def test_digits_tab_and_esc_walk_the_screens() -> None:
    picture, desk = picture_of(), Desk()
    assert press(desk, picture, "4").screen is Screen.HANDOVERS
    assert press(desk, picture, "tab").screen is Screen.CLIENTS
    assert press(desk, picture, "shift-tab", "shift-tab").screen is Screen.SECTORS
    assert press(desk, picture, "esc").screen is Screen.HANDOVERS
    assert press(desk, picture, "esc", "esc", "esc", "esc", "esc").screen is Screen.OVERVIEW


def test_filter_is_typed_kept_and_cleared() -> None:
    picture, desk = picture_of(), Desk(screen=Screen.CLIENTS)
    press(desk, picture, "/", *"bot-0003q", "backspace", "enter")
    assert [row.key for row in desk.listing(picture).rows] == ["bot-0003"]
    assert "1 of 12 with “bot-0003”" in text_of(desk, picture)
    press(desk, picture, "esc")
    assert len(desk.listing(picture).rows) == 12
    assert not desk.ended
    press(desk, picture, "/", "x", "y")
    assert "nothing matches the filter" in text_of(desk, picture)


def test_sort_walks_the_columns_and_reverses() -> None:
    picture, desk = picture_of(), Desk(screen=Screen.SECTORS)
    press(desk, picture, "s", "s", "s", "s")
    counts = [int(row.cells[3].text.plain) for row in desk.listing(picture).rows]
    assert counts == sorted(counts, reverse=True)
    press(desk, picture, "r")
    counts = [int(row.cells[3].text.plain) for row in desk.listing(picture).rows]
    assert counts == sorted(counts)


def test_enter_on_a_shard_lists_its_sectors_only() -> None:
    picture = picture_of()
    desk = press(Desk(), picture, "2", "j", "enter")
    assert desk.screen is Screen.SECTORS
    assert len(desk.listing(picture).rows) == picture.status["shards"][1]["sectors"]


def test_enter_on_a_sector_shows_it_on_the_map_and_back() -> None:
    picture = picture_of()
    desk = press(Desk(), picture, "3", "j", "j", "enter")
    assert desk.screen is Screen.OVERVIEW
    assert desk.sector == list_rows(Screen.SECTORS, picture).rows[2].key
    press(desk, picture, "enter")
    assert desk.choice.row == 2


def test_arrows_choose_a_sector_within_the_world() -> None:
    picture = picture_of()
    desk = press(Desk(), picture, "up")
    assert desk.sector in dict(picture.sectors)
    press(desk, picture, *["right"] * 50, *["up"] * 50)
    east = max(sector.x for sector, _ in picture.sectors)
    assert desk.sector is not None
    assert desk.sector.x == east
    press(desk, picture, "esc")
    assert desk.sector is None


def test_rows_stay_within_the_table() -> None:
    picture = picture_of()
    desk = press(Desk(), picture, "5", "end", "down", "j")
    assert desk.choice.row == 11
    assert press(desk, picture, "page-up", "k").choice.row == 0
    assert press(desk, picture, "up").choice.row == 0


def test_space_freezes_the_picture_while_counting_goes_on() -> None:
    history = history_of()
    desk = press(Desk(), history.picture(110.0, SEEN), "space")
    status = recorded(20)
    status["replication"]["entities"] = 777_777
    history.answer(status, 120.0)
    text = text_of(desk, history.picture(120.0, SEEN))
    assert "frozen 10 s ago" in text
    assert "777,777" not in text
    press(desk, history.picture(120.0, SEEN), "space")
    assert "777,777" in text_of(desk, history.picture(120.0, SEEN))


def test_help_lists_the_keys_of_the_screen_that_is_shown() -> None:
    picture = picture_of()
    for screen in SCREENS:
        text = text_of(press(Desk(screen=screen), picture, "?"), picture)
        assert [b.words for b in bindings(screen) if b.words not in text] == []


def test_keys_end_it_or_mean_nothing() -> None:
    picture = picture_of()
    for screen in SCREENS:
        for key in ("x", "0", "7", "é", "²", "home", "delete", "redraw", "enter", "m", "e"):
            press(Desk(screen=screen), picture, key)
    assert press(Desk(), picture, "q").ended


# -- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (marks.seconds(0.04), "40 ms"),
        (marks.seconds(3.21), "3.2 s"),
        (marks.seconds(75), "75 s"),
        (marks.seconds(754), "12:34 min"),
        (marks.seconds(7500), "2:05 h"),
        (marks.byte_rate(999), "999 B/s"),
        (marks.byte_rate(1_500_000), "1.5 MB/s"),
        (marks.byte_rate(None), "–"),
        (marks.milliseconds(0.001), "0"),
        (marks.milliseconds(12.34), "12.3"),
        (marks.rate(0.0), "0/s"),
        (marks.rate(3.14), "3.1/s"),
        (marks.sparkline([0, None, 50, 200], 6, high=50).plain, "  ▁ ▇▇"),
        (marks.gauge(0.5, 4).plain, "■■□□"),
        (marks.gauge(0.01, 4).plain, "■□□□"),
    ],
)
def test_numbers_read_as_people_say_them(shown: str, words: str) -> None:
    assert shown == words


def test_observer_counts_as_joined_from_its_first_snapshot() -> None:
    fields: dict[str, Any] = dict.fromkeys(ClientStatistics.__dataclass_fields__, 0)
    waiting = ClientStatistics(**{**fields, "state": SessionState.JOINED, "newest_tick": -1})
    assert observe(waiting, "waiting").why == "waiting"
    fields |= {"state": SessionState.JOINED, "newest_tick": 5, "rtt_s": 0.1}
    joined = ClientStatistics(**fields)
    assert observe(joined, "waiting").joined
    assert observe(joined, "waiting").rtt_s == 0.1


def test_observer_says_why_it_is_not_in_the_world_and_when_it_tries_again() -> None:
    assert explain(None, 0, 5.0) == "asking for a session"
    assert explain(None, 1, 5.0) == "waiting for the first one over UDP"
    absence = Absence("no answer", "no server answers at http://x", 2, again_at=7.4)
    assert explain(absence, 1, 5.0) == "no server answers at http://x; again in 3 s"
    assert explain(absence, 1, 8.0) == "no server answers at http://x; trying again"
    assert explain(Absence("timed out", "", 1, 7.4), 1, 7.0) == "timed out; again in 1 s"


# -- the terminal and the tasks -------------------------------------------------------------------


async def test_terminal_gives_keys_and_is_put_back() -> None:
    outer, inner = pty.openpty()
    try:
        before = termios.tcgetattr(inner)
        console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
        terminal = Terminal(console, inner)
        keys: list[str] = []

        async def read_keys(wanted: int) -> None:
            async with trio.open_nursery() as nursery:

                def press(key: str) -> None:
                    keys.append(key)
                    if len(keys) == wanted:
                        nursery.cancel_scope.cancel()

                nursery.start_soon(terminal.feed_keys, press)

        with trio.fail_after(5), terminal.taken():
            assert termios.tcgetattr(inner)[3] & (termios.ICANON | termios.ECHO) == 0
            os.write(outer, b"2\x1b[Bj\x1b")
            await read_keys(4)
        assert keys == ["2", "down", "j", "esc"]
        assert termios.tcgetattr(inner) == before
    finally:
        os.close(outer)
        os.close(inner)


async def test_hung_up_terminal_ends_the_keys() -> None:
    outer, inner = pty.openpty()
    console = Console(file=io.StringIO(), force_terminal=True)
    terminal = Terminal(console, inner)
    os.close(outer)
    with trio.fail_after(5):
        await terminal.feed_keys(lambda key: None)
    os.close(inner)


def server_of(status: Callable[[], httpx.Response]) -> httpx.AsyncClient:
    """A server that answers states and lets nobody in."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/status":
            return status()
        problem = {"title": "Service Unavailable", "detail": "no shard is connected"}
        return httpx.Response(503, json=problem)

    return httpx.AsyncClient(base_url="http://world.test", transport=httpx.MockTransport(answer))


async def test_one_look_prints_a_plain_frame_and_writes_json_and_svg(
    autojump_clock: trio.testing.MockClock,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "130")
    monkeypatch.setenv("LINES", "34")
    target, drawn = tmp_path / "state.json", tmp_path / "monitor.svg"
    began_at = trio.current_time()

    def status() -> httpx.Response:
        return httpx.Response(200, json=recorded(trio.current_time() - began_at))

    async with server_of(status) as http:
        monitor = Monitor(http, Screen.OVERVIEW)
        await monitor.first()
        config = MonitorConfig("http://world.test", once=True, json=str(target), svg=drawn)
        await look_once(monitor, config)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "no snapshots: Service Unavailable" in printed
    state = json.loads(target.read_text())
    assert state["rates"]["tick_per_s"] == pytest.approx(20, rel=0.1)
    assert state["observed"]["joined"] is False
    assert drawn.read_text().startswith("<svg")


async def test_monitor_outlives_a_server_that_goes_and_comes_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    away = False

    def status() -> httpx.Response:
        if away:
            raise httpx.ConnectError("connection refused")
        return httpx.Response(200, json=recorded())

    async with server_of(status) as http, trio.open_nursery() as nursery:
        monitor = Monitor(http, Screen.OVERVIEW)
        await monitor.first()
        nursery.start_soon(monitor.poll)
        nursery.start_soon(monitor.observe)
        away = True
        await trio.sleep(3)
        picture = monitor.picture()
        assert picture.silent_s == pytest.approx(3, abs=0.5)
        assert picture.why == "connection refused"
        away = False
        await trio.sleep(1)
        assert monitor.picture().silent_s is None
        nursery.cancel_scope.cancel()


async def test_a_server_of_another_version_is_named() -> None:
    state = recorded()
    del state["process"]["cpu_s"]
    async with server_of(lambda: httpx.Response(200, json=state)) as http:
        with pytest.raises(UnavailableError, match="another version: its state has no 'cpu_s'"):
            await Monitor(http, Screen.OVERVIEW).first()


async def test_no_server_at_the_start_is_one_sentence() -> None:
    def status() -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    async with server_of(status) as http:
        with pytest.raises(UnavailableError, match="sidereal up"):
            await Monitor(http, Screen.OVERVIEW).first()


async def test_answer_that_is_no_state_is_no_server() -> None:
    async with server_of(lambda: httpx.Response(503, json={"detail": "closing"})) as http:
        with pytest.raises(UnavailableError, match="closing"):
            await Monitor(http, Screen.OVERVIEW).first()


def test_settings_are_checked_all_at_once() -> None:
    with pytest.raises(ConfigError, match=r"--screen.*--for.*--server"):
        MonitorConfig("nowhere", screen="kitchen", for_s=-1).check()
    with pytest.raises(ConfigError, match=r"no module nogame, .*; without --game the world is"):
        MonitorConfig("http://world.test", game="nogame:game").check()


def test_svg_shows_owners_in_their_colours() -> None:
    svg = draw_svg(Desk(), picture_of())
    assert "#56b4e9" in svg
    assert "#e69f00" in svg
