"""What players say to each other: near, to all, in any script."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sidereal.game import Game, is_line
from sidereal.game.words import MARKS_MAX, as_line
from sidereal.games import frontier
from sidereal.games.frontier.talking import SAID_SIZE, Said, shortened
from sidereal.testing import Outcome, World

game = Game("talks", parts=[frontier.flight, frontier.talk])

ARABIC = "مرحبا يا صديقي"
PERSIAN = "می\u200cخواهم"
SINHALA = "ශ්\u200dරී ලංකා"
EMOJI = "👩\u200d🚀 ❤\ufe0f 👍🏽"
VIETNAMESE = "Xin cha\u0300o ca\u0301c ba\u0323n"


@pytest.mark.parametrize(
    "text",
    ["hello", ARABIC, PERSIAN, SINHALA, EMOJI, VIETNAMESE, "名前\u3000です", "à\u00a0demain"],
)
def test_a_line_is_of_any_script(text: str) -> None:
    assert is_line(text)
    assert as_line(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\u200d\u200d",
        "two\nlines",
        "two\u2028lines",
        "two\u0085lines",
        "\x1b[2Jgone",
        "bell\x07",
        "\u202edlrow",
        "\u2066turned",
        "hidden\U000e0041",
        "soft\u00adly",
        "half \ud83d",
        "private \ue000",
        "z" + "\u0335" * (MARKS_MAX + 1),
        "z" + "\u200d" * (MARKS_MAX + 1),
    ],
)
def test_what_plays_with_the_line_is_none_and_the_rest_of_it_is_one(text: str) -> None:
    assert not is_line(text)
    line = as_line(f"ann: {text}")
    assert is_line(line)
    assert line.startswith("ann: ")
    assert as_line(text) == "" or is_line(as_line(text))


def test_of_a_long_line_the_beginning_is_shown_in_whole_letters() -> None:
    assert shortened("hi") == b"hi"
    packed = shortened("й" * 240)
    assert len(packed) <= SAID_SIZE
    assert packed.decode() == "й" * 46 + "…"


def test_who_is_near_hears_and_sees_what_is_said_and_all_hear_a_shout_now_and_then(
    sidereal_world: Callable[..., World],
) -> None:
    world = sidereal_world(game, link={"delay_s": 0.05, "loss": 0.05})
    ann, bob, far = world.join("ann"), world.join("bob"), world.join("far")
    world.place(ann.entity, x=300, y=500)
    world.place(bob.entity, x=400, y=500)
    world.place(far.entity, x=5300, y=5500)
    world.run(seconds=1)
    for text in (ARABIC, EMOJI):
        assert world.call(ann, frontier.say, text=text).outcome is Outcome.DONE
        world.run(seconds=0.5)
    assert world.call(ann, frontier.say, text="\u202eturned").outcome is Outcome.REFUSED
    assert world.call(ann, frontier.shout, text="two\nlines").outcome is Outcome.REFUSED
    assert world.call(bob, frontier.shout, text=PERSIAN).outcome is Outcome.DONE
    again = [world.call(far, frontier.shout, text="again").outcome for _ in range(6)]
    assert again[0] is Outcome.DONE
    assert again[-1] is Outcome.NOT_NOW  # it may save up five
    world.run(seconds=0.5)
    said = [f"ann: {ARABIC}", f"ann: {EMOJI}"]
    assert [line for line in bob.told if "all" not in line] == said
    shown = bob.events(Said)  # above the speaker
    assert shown.subject.tolist() == [ann.entity] * 2
    assert [bytes(words).decode() for words in shown.words] == [ARABIC, EMOJI]
    assert far.told[0] == f"bob to all: {PERSIAN}"
    assert "far to all: again" in far.told
    assert far.told[0] in ann.told
