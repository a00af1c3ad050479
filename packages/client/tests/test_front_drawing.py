"""Real frames, drawn off screen and read back pixel by pixel."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sidereal.client.front import palette
from sidereal.client.front.frame import BAR_PX
from sidereal.client.front.layers import LAYERS_SHOWN, Layer
from sidereal.client.front.layout import COLUMN_PX, MARGIN
from sidereal.client.front.ownership import FILL_ALPHA
from sidereal.client.front.viewer import Viewer
from sidereal.client.happenings import Happened, make_happened
from sidereal.game import Body, Game, Label, Motion, Pilot
from sidereal.game.declarations import declare
from sidereal.game.look import SYMBOLS
from sidereal.game.schema import column_of
from sidereal.protocol.state.schema import EVENT_FIRST

WIDTH, HEIGHT = 800, 600
MakeFeed = Callable[[dict[tuple[int, int], int]], Any]
Show = Callable[..., np.ndarray]

# Panels lie along the edges; this much of the middle is the world's alone.
MIDDLE = (slice(150, 450), slice(300, 560))


@pytest.fixture
def show(screen: Any) -> Show:
    """Draw one frame of a feed; a viewer that looks at (x, y) with a zoom of 1."""

    def draw(
        feed: Any,
        x: float = 0.0,
        y: float = 0.0,
        *,
        layers: frozenset[Layer] = frozenset(),
        now: float = 10.0,
        zoom: float = 1.0,
        selected: int = 0,
        before: float | None = None,
    ) -> np.ndarray:
        viewer = Viewer(
            feed,
            screen.window.meter,
            size=(WIDTH, HEIGHT),
            observing=False,
            layers=layers,
            at=None,
        )
        viewer.drag(1, 0)  # the camera is in the test's hands
        viewer.camera.x, viewer.camera.y, viewer.camera.zoom = x, y, zoom
        viewer.selected_id = selected
        screen.window.overlay.net_graph = 0
        screen.window.overlay.help_shown = False
        if before is not None:
            viewer.advance(before, 0.0)
        return np.asarray(screen.show(viewer, now)).astype(int)

    return draw


def blend(colour: palette.Rgb, alpha: int, ground: palette.Rgb = palette.BACKGROUND) -> list[float]:
    share = alpha / 255
    return [c * share + g * (1 - share) for c, g in zip(colour, ground, strict=True)]


def differs(pixels: np.ndarray, colour: tuple[int, ...] = palette.BACKGROUND) -> np.ndarray:
    return np.asarray(np.abs(pixels - np.array(colour)).max(axis=-1) > 12)


def test_without_layers_and_entities_the_middle_is_empty(make_feed: MakeFeed, show: Show) -> None:
    assert not differs(show(make_feed({}))[MIDDLE]).any()


def test_sectors_have_their_owners_colour(make_feed: MakeFeed, show: Show) -> None:
    owners = {(-1, -1): 1, (0, -1): 2, (-1, 0): 3, (0, 0): 0}
    pixels = show(make_feed(owners), zoom=0.2, layers=frozenset({Layer.OWNERS}))
    for (sector_x, sector_y), shard in owners.items():
        x, y = WIDTH // 2 + 60 + 120 * sector_x, HEIGHT // 2 + 60 + 120 * sector_y
        assert pixels[y, x] == pytest.approx(
            blend(palette.shard_colour(shard), FILL_ALPHA), abs=2
        ), (sector_x, sector_y)


def test_a_border_has_each_owners_colour_on_its_side(make_feed: MakeFeed, show: Show) -> None:
    pixels = show(make_feed({(-1, 0): 1, (0, 0): 2}), 0.0, 500.0, layers=frozenset({Layer.OWNERS}))
    row = HEIGHT // 2
    left, right = pixels[row, WIDTH // 2 - 1], pixels[row, WIDTH // 2]
    assert left == pytest.approx(palette.shard_colour(1), abs=25)
    assert right == pytest.approx(palette.shard_colour(2), abs=25)


def test_an_entity_is_drawn_where_it_is_and_as_large(make_feed: MakeFeed, show: Show) -> None:
    feed = make_feed({(0, 0): 1})
    feed.place(7, "rock", 540.0, 470.0, radius=30.0)
    pixels = show(feed, 500.0, 500.0)
    seen = differs(pixels)
    seen[: MIDDLE[0].start], seen[MIDDLE[0].stop :] = False, False
    rows, columns = np.nonzero(seen)
    # Pixel centres lie half a pixel from their lower left corners.
    assert columns.mean() + 0.5 == pytest.approx(WIDTH / 2 + 40, abs=0.3)
    assert rows.mean() + 0.5 == pytest.approx(HEIGHT / 2 - 30, abs=0.3)
    assert seen.sum() == pytest.approx(np.pi * 30.5**2, rel=0.04)
    inside = pixels[HEIGHT // 2 - 30, WIDTH // 2 + 40]
    assert inside == pytest.approx(blend(palette.shard_colour(1), 105), abs=3)


def test_an_arrow_points_where_it_heads(make_feed: MakeFeed, show: Show) -> None:
    def extent(vx: float, vy: float) -> np.ndarray:
        feed = make_feed({(0, 0): 1})
        feed.place(7, "craft", 500.0 - 10 * vx, 500.0 - 10 * vy, radius=40.0, vx=vx, vy=vy)
        seen = differs(show(feed, 500.0, 500.0)[MIDDLE])
        rows, columns = np.nonzero(seen)
        return np.array(
            [
                columns.min() + MIDDLE[1].start - WIDTH / 2,
                columns.max() + 1 + MIDDLE[1].start - WIDTH / 2,
                rows.min() + MIDDLE[0].start - HEIGHT / 2,
                rows.max() + 1 + MIDDLE[0].start - HEIGHT / 2,
            ]
        )

    left, right, bottom, top = extent(10.0, 0.0)
    assert right > -left + 5  # the nose reaches further than the tail
    assert -bottom == pytest.approx(top, abs=1.0)
    assert extent(0.0, 10.0) == pytest.approx([bottom, top, left, right], abs=1.5)


def test_an_arrow_turns_counterclockwise(make_feed: MakeFeed, show: Show) -> None:
    feed = make_feed({(0, 0): 1})
    feed.place(7, "craft", 500.0 - 70.0, 500.0 - 70.0, radius=40.0, vx=7.0, vy=7.0)
    seen = differs(show(feed, 500.0, 500.0))
    assert seen[HEIGHT // 2 + 28, WIDTH // 2 + 28]  # inside the nose
    assert not seen[HEIGHT // 2 - 21, WIDTH // 2 - 21]  # in the notch behind
    assert not seen[HEIGHT // 2 - 28, WIDTH // 2 + 28]


def test_thirty_thousand_sectors_away_looks_the_same(make_feed: MakeFeed, show: Show) -> None:
    def picture(sector_x: int, sector_y: int) -> np.ndarray:
        feed = make_feed({(sector_x, sector_y): 1, (sector_x - 1, sector_y): 2})
        corner_x, corner_y = sector_x * 1000.0, sector_y * 1000.0
        rng = np.random.default_rng(5)
        for net_id, (dx, dy, speed) in enumerate(rng.uniform(-130, 130, (40, 3)), start=1):
            kind = "craft" if net_id % 2 else "rock"
            feed.place(net_id, kind, corner_x + dx, corner_y + 400 + dy, vx=speed / 10)
        return show(
            feed,
            corner_x + 0.371,
            corner_y + 400.529,
            layers=frozenset(Layer) - {Layer.NAMES, Layer.MINIMAP},
        )[MIDDLE]

    near, far = picture(0, 0), picture(30_000, -30_000)
    assert differs(near).any()
    # The labels of the sectors are outside the middle; everything else is alike but for rounding.
    assert np.abs(near - far).max() <= 3


def test_the_own_entity_is_outlined_in_white(make_feed: MakeFeed, show: Show) -> None:
    feed = make_feed({(0, 0): 1})
    feed.place(7, "craft", 500.0, 500.0)

    def white() -> int:
        return int((show(feed, 500.0, 500.0)[MIDDLE].min(axis=-1) > 230).sum())

    assert white() == 0
    feed.own_id = 7
    assert white() > 15


def test_the_authoritys_state_is_red_hollow_and_where_it_says(
    make_feed: MakeFeed, show: Show
) -> None:
    feed = make_feed({(0, 0): 1})
    # Seven units a frame ahead of the authority, which is 0.12 s behind.
    feed.place(7, "craft", 500.0 - 1000.0, 500.0, vx=100.0, radius=6.0)
    feed.own_id = 7

    def red(layers: frozenset[Layer]) -> np.ndarray:
        pixels = show(feed, 500.0, 500.0, layers=layers, zoom=4.0)[MIDDLE]
        return np.asarray((pixels[..., 0] > 200) & (pixels[..., 1:].max(axis=-1) < 120))

    assert not red(frozenset()).any()
    rows, columns = np.nonzero(red(frozenset({Layer.AUTHORITY})))
    authority_x = WIDTH / 2 - 12.0 * 4.0 - MIDDLE[1].start
    assert columns.min() < authority_x - 15
    assert not red(frozenset({Layer.AUTHORITY}))[HEIGHT // 2 - 150, int(authority_x)].any()
    assert rows.mean() + MIDDLE[0].start == pytest.approx(HEIGHT / 2, abs=1.5)


def test_old_data_is_dim(make_feed: MakeFeed, show: Show) -> None:
    feed = make_feed({(0, 0): 1})
    feed.place(7, "rock", 500.0, 500.0, radius=30.0)
    fresh = show(feed, 500.0, 500.0)[HEIGHT // 2, WIDTH // 2].sum()
    feed.age_s = 0.6
    stale = show(feed, 500.0, 500.0)[HEIGHT // 2, WIDTH // 2].sum()
    assert stale < 0.6 * fresh


def test_a_handover_is_a_ring_that_ends(make_feed: MakeFeed, show: Show) -> None:
    feed = make_feed({(0, 0): 1, (1, 0): 2})
    feed.place(7, "rock", 1000.0 - 9.95, 500.0, vx=1.0, radius=2.0)
    layers = frozenset({Layer.HANDOVERS})

    def lit(before: float | None) -> int:
        return int(differs(show(feed, 1000.0, 500.0, layers=layers, before=before)[MIDDLE]).sum())

    assert lit(before=9.0) > lit(before=None) + 60


def test_velocity_vectors_point_ahead(make_feed: MakeFeed, show: Show) -> None:
    feed = make_feed({(0, 0): 1})
    feed.place(7, "craft", 500.0 - 600.0, 500.0, vx=60.0)
    place = (HEIGHT // 2, WIDTH // 2 + 45)
    off = show(feed, 500.0, 500.0)
    on = show(feed, 500.0, 500.0, layers=frozenset({Layer.VECTORS}))
    assert not differs(off[place])
    assert differs(on[place[0] - 1 : place[0] + 1, place[1]]).any()


def test_labels_are_written_below(make_feed: MakeFeed, show: Show) -> None:
    feed = make_feed({(0, 0): 1})
    feed.place(7, "craft", 500.0, 500.0, name="Ωmega Ünïcode 😀")
    below = (slice(HEIGHT // 2 - 40, HEIGHT // 2 - 14), MIDDLE[1])
    assert not differs(show(feed, 500.0, 500.0)[below]).any()
    written = differs(show(feed, 500.0, 500.0, layers=frozenset({Layer.NAMES}))[below])
    assert written.sum() > 50


def test_interest_is_bright_and_the_rest_dark(make_feed: MakeFeed, show: Show) -> None:
    feed = make_feed({(0, 0): 1, (-1, 0): 1})
    feed.place(7, "craft", 875.0, 500.0, radius=1.0)
    feed.own_id = 7
    layers = frozenset({Layer.OWNERS})
    # Interest reaches from x = 250 to 1500; the camera looks at its left edge.
    plain = show(feed, 250.0, 700.0, layers=layers)
    dimmed = show(feed, 250.0, 700.0, layers=layers | {Layer.INTEREST})
    row = HEIGHT // 2 + 40
    assert dimmed[row, WIDTH // 2 + 60] == pytest.approx(plain[row, WIDTH // 2 + 60], abs=1)
    assert dimmed[row, WIDTH // 2 - 60].sum() < 0.8 * plain[row, WIDTH // 2 - 60].sum()


def test_what_interest_is_called_lies_under_no_panel(make_feed: MakeFeed, show: Show) -> None:
    feed = make_feed({(0, 0): 1, (1, 0): 1})
    feed.place(7, "craft", 500.0, 500.0)
    feed.own_id = 7
    # Its left edge is that of the window, and its lower one is below.
    plain = show(feed, 400.0, 500.0)
    drawn = show(feed, 400.0, 500.0, layers=frozenset({Layer.INTEREST}))
    written = np.abs(drawn - plain).max(axis=-1)[: HEIGHT - BAR_PX] > 12
    assert not written[:250, 4:-4].any()
    _, columns = np.nonzero(written[:, 4:-4])
    assert len(columns) > 50
    assert columns.max() < WIDTH - COLUMN_PX - MARGIN


@pytest.mark.parametrize(
    ("age_s", "colour"), [(0.03, palette.GOOD), (0.4, palette.WARN), (1.4, palette.BAD)]
)
def test_the_line_under_the_top_bar_is_the_datas_age(
    make_feed: MakeFeed, show: Show, age_s: float, colour: palette.Rgb
) -> None:
    feed = make_feed({(0, 0): 1})
    feed.age_s = age_s
    assert show(feed)[HEIGHT - BAR_PX, 5].tolist() == list(colour)


def test_silence_has_a_banner(make_feed: MakeFeed, show: Show) -> None:
    feed = make_feed({(0, 0): 1})
    banner = (slice(int(HEIGHT * 0.76) - 20, int(HEIGHT * 0.76) + 40), slice(250, 550))
    assert not differs(show(feed)[banner]).any()
    feed.age_s = 1.4
    assert differs(show(feed)[banner], palette.PANEL).sum() > 300


def test_help_and_net_graph_come_and_go(make_feed: MakeFeed, screen: Any) -> None:
    feed = make_feed({(0, 0): 1})
    window = screen.window
    viewer = Viewer(
        feed,
        window.meter,
        size=(WIDTH, HEIGHT),
        observing=False,
        layers=frozenset(),
        at=None,
    )
    window.overlay.net_graph, window.overlay.help_shown = 0, False
    bare = screen.show(viewer, 10.0).astype(int)
    window.overlay.help_shown = True
    helped = screen.show(viewer, 10.0).astype(int)
    window.overlay.help_shown = False
    window.overlay.net_graph = 2
    graphed = screen.show(viewer, 10.0).astype(int)
    assert np.abs(helped - bare).max(axis=-1)[MIDDLE].mean() > 2
    corner = (slice(20, 100), slice(WIDTH - 280, WIDTH - 20))
    assert np.abs(graphed - bare).max(axis=-1)[corner].mean() > 2
    above = np.abs(graphed - bare).max(axis=-1)[250 : HEIGHT - BAR_PX]
    assert above.max() == 0


def test_ten_thousand_entities_fit_the_buffers(make_feed: MakeFeed, show: Show) -> None:
    feed = make_feed({(0, 0): 1})
    rng = np.random.default_rng(7)
    for net_id, (x, y) in enumerate(rng.uniform(0, 1000, (10_000, 2)), start=1):
        feed.place(net_id, "rock", x, y, radius=1.0)
    seen = differs(show(feed, 500.0, 500.0, zoom=0.5)[MIDDLE])
    assert seen.mean() > 0.3
    # Evenly strewn, in every corner of the picture.
    quarters = [part for half in np.array_split(seen, 2) for part in np.array_split(half, 2, 1)]
    assert min(quarter.mean() for quarter in quarters) > 0.25


def test_a_picture_is_the_frame(make_feed: MakeFeed, screen: Any, tmp_path: Path) -> None:
    from PIL import Image

    feed = make_feed({(0, 0): 1})
    viewer = Viewer(
        feed,
        screen.window.meter,
        size=(WIDTH, HEIGHT),
        observing=False,
        layers=LAYERS_SHOWN,
        at=None,
    )
    pixels = screen.show(viewer, 10.0)
    screen.window.grab().save(tmp_path / "world.png")
    with Image.open(tmp_path / "world.png") as image:
        assert image.size == (WIDTH, HEIGHT)
        assert np.array_equal(np.asarray(image)[::-1], pixels)


def test_every_symbol_looks_like_no_other(make_feed: MakeFeed, show: Show) -> None:
    game = Game("all")
    for symbol in SYMBOLS:
        game.look(game.kind(symbol, Motion(), Body()), symbol=symbol)
    feed = make_feed({(0, 0): 1})
    feed.game = declare(game)
    pictures = []
    for kind in game.kinds:
        feed.clear()
        feed.place(7, kind.name, 500.0, 500.0, radius=40.0)
        pictures.append(show(feed, 500.0, 500.0)[MIDDLE])
    # A dot is a circle that may be tiny; where both are large they are alike.
    alike = [
        (SYMBOLS[one], SYMBOLS[two])
        for one, two in combinations(range(len(SYMBOLS)), 2)
        if np.abs(pictures[one] - pictures[two]).max() <= 12
    ]
    assert alike == [("circle", "dot")]
    assert all(differs(picture).sum() > 300 for picture in pictures)


def test_a_star_has_five_points_one_of_them_ahead(make_feed: MakeFeed, show: Show) -> None:
    game = Game("stars")
    game.look(game.kind("star", Motion(), Body()), symbol="star")
    feed = make_feed({(0, 0): 1})
    feed.game = declare(game)
    feed.place(7, "star", 500.0, 500.0, radius=60.0)
    seen = differs(show(feed, 500.0, 500.0))
    around = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    rows = (HEIGHT / 2 + 45 * np.sin(around)).astype(int)
    columns = (WIDTH / 2 + 45 * np.cos(around)).astype(int)
    ring = seen[rows, columns]
    assert np.count_nonzero(ring & ~np.roll(ring, 1)) == 5
    assert seen[HEIGHT // 2, WIDTH // 2 + 55]


def test_a_colour_of_its_own_leaves_the_owner_the_edge(make_feed: MakeFeed, show: Show) -> None:
    game = Game("colours")
    for symbol in ("square", "ring"):
        game.look(game.kind(symbol, Motion(), Body()), symbol=symbol, colour="#f08")
    feed = make_feed({(0, 0): 3})
    feed.game = declare(game)
    feed.place(7, "square", 440.0, 500.0, radius=40.0)
    feed.place(8, "ring", 560.0, 500.0, radius=40.0)
    pixels = show(feed, 500.0, 500.0)
    row, own = HEIGHT // 2, (255, 0, 136)
    assert pixels[row, WIDTH // 2 - 60].tolist() == list(own)
    edge = pixels[row, WIDTH // 2 - 60 + 30 : WIDTH // 2 - 60 + 34]
    assert (edge[:, 1] > 90).any()  # the green of shard 3
    assert pixels[row, WIDTH // 2 + 60] == pytest.approx(blend(palette.shard_colour(3), 24), abs=3)
    assert pixels[row, WIDTH // 2 + 60 + 40] == pytest.approx(own, abs=60)


def happened(feed: Any, number: int, subject: int, **values: Any) -> Happened:
    ids, ticks = np.array([subject], np.uint32), np.array([3])
    event = feed.game.events[number]
    columns = {column_of(event, event.fields[n]): np.array([v]) for n, v in values.items()}
    return make_happened(EVENT_FIRST + number, ids, ticks, columns)


EFFECTS = frozenset({Layer.EFFECTS})


def test_a_burst_is_drawn_where_it_happened_and_fades(make_feed: MakeFeed, show: Show) -> None:
    def seen(after_s: float) -> np.ndarray:
        feed = make_feed({})
        feed.happened.append(happened(feed, 0, 7, x=520.0, y=490.0))
        return show(feed, 500.0, 500.0, layers=EFFECTS, before=10.0, now=10.0 + after_s)

    early = seen(0.02)
    lit = differs(early)
    lit[: MIDDLE[0].start], lit[MIDDLE[0].stop :] = False, False
    rows, columns = np.nonzero(lit)
    assert columns.mean() + 0.5 == pytest.approx(WIDTH / 2 + 20, abs=1.0)
    assert rows.mean() + 0.5 == pytest.approx(HEIGHT / 2 - 10, abs=1.0)
    late = seen(0.3)
    assert np.ptp(np.nonzero(differs(late)[MIDDLE])[1]) > 1.5 * np.ptp(columns)
    assert early[MIDDLE].max() > late[MIDDLE].max() + 40
    assert not differs(seen(0.6)[MIDDLE]).any(), "it is over"


def lit_by(pixels: np.ndarray) -> tuple[float, float]:
    """Where the middle of what is lit is, right of and above the middle of the picture."""
    rows, columns = np.nonzero(differs(pixels)[MIDDLE])
    x = columns.mean() + MIDDLE[1].start + 0.5 - WIDTH / 2
    return x, rows.mean() + MIDDLE[0].start + 0.5 - HEIGHT / 2


def test_an_effect_of_one_that_is_known_no_more_is_where_it_was(
    make_feed: MakeFeed, show: Show
) -> None:
    feed = make_feed({})
    gone = happened(feed, 1, 7, size=20.0)
    feed.happened.append(gone._replace(places=np.array([[540.0], [480.0]])))
    pixels = show(feed, 500.0, 500.0, layers=EFFECTS, before=10.0, now=10.1)
    assert lit_by(pixels) == pytest.approx((40, -20), abs=1.0)


def test_an_effect_without_a_place_is_where_its_subject_is(make_feed: MakeFeed, show: Show) -> None:
    feed = make_feed({})
    feed.happened += [happened(feed, 1, 7, size=20.0), happened(feed, 1, 8, size=20.0)]
    feed.place(7, "bare", 540.0, 500.0, radius=1.0)
    pixels = show(feed, 500.0, 500.0, layers=EFFECTS, before=10.0, now=10.1)
    assert lit_by(pixels) == pytest.approx((40, 0), abs=1.0)
    assert np.ptp(np.nonzero(differs(pixels)[MIDDLE])[1]) == pytest.approx(40, abs=3)


@pytest.mark.parametrize("number", [2, 3])
def test_every_effect_shows_and_its_layer_hides_it(
    make_feed: MakeFeed, show: Show, number: int
) -> None:
    def seen(layers: frozenset[Layer]) -> np.ndarray:
        feed = make_feed({})
        feed.place(7, "bare", 500.0, 500.0, radius=1.0)
        feed.happened.append(
            happened(feed, number, 7, **({"says": b"ouch"} if number == 3 else {}))
        )
        return differs(show(feed, 500.0, 500.0, layers=layers, before=10.0, now=10.2))[MIDDLE]

    assert seen(EFFECTS).sum() > seen(frozenset()).sum() + 30


def test_an_arrow_shows_the_way_to_what_is_not_in_the_picture(
    make_feed: MakeFeed, show: Show
) -> None:
    game = Game("compass")
    craft = game.kind("craft", Motion(), Body(radius=6), Label(), Pilot())
    depot = game.kind("depot", Motion(), Body(), Label())
    game.look(craft, symbol="arrow")
    game.compass(depot, colour="#f0f")
    game.gauge(Body.radius, colour="#0f0")

    def arrow(x: float) -> tuple[Any, np.ndarray]:
        feed = make_feed({(0, 0): 1})
        feed.game = declare(game)
        feed.place(7, "craft", 500.0, 500.0)
        feed.place(8, "depot", x, 500.0)
        feed.own_id = 7
        pixels = show(feed, 500.0, 500.0, layers=frozenset({Layer.COMPASS}))
        red, green, blue = pixels.transpose(2, 0, 1)
        return np.nonzero((red > 180) & (green < 60) & (blue > 180)), pixels

    (rows, columns), _ = arrow(1100.0)
    assert columns.mean() == pytest.approx(WIDTH / 2 + 0.36 * HEIGHT, abs=60)
    assert rows.mean() == pytest.approx(HEIGHT / 2, abs=8)
    (rows, columns), pixels = arrow(750.0)
    assert len(rows) == 0
    assert (~differs(pixels[:120, :260], (0, 255, 0))).any()  # the gauge


def test_the_own_entity_shows_through_a_panel_that_lies_on_it(
    make_feed: MakeFeed, show: Show
) -> None:
    """The camera is on something else, and the own entity is where the legend is."""
    feed = make_feed({(0, 0): 1})
    feed.place(10, "craft", 270.0, 218.0)
    there = (slice(508, 528), slice(655, 685))
    hidden = show(feed, layers=frozenset(), x=0.0, y=0.0)[there]
    feed.own_id = 10
    own = show(feed, layers=frozenset(), x=0.0, y=0.0)[there]
    assert np.count_nonzero(np.abs(own - hidden).max(axis=-1) > 60) > 40
