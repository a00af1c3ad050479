"""What is said is told to who is near, and shown above who says it."""

from typing import Any

from sidereal.games import frontier
from sidereal.games.frontier.talking import SAID_SIZE, Said, shortened


def test_a_line_is_told_and_its_words_are_shown_above_the_speaker(sidereal_world: Any) -> None:
    world = sidereal_world(frontier.game, world="empty")
    ann, bob = world.join("ann"), world.join("bob")
    world.call(ann, frontier.say, text="Привет, Bob")
    world.run(seconds=0.5)
    assert bob.told == ["ann: Привет, Bob"]
    said = bob.events(Said)
    assert said.subject.tolist() == [ann.entity]
    assert bytes(said.words[0]).decode() == "Привет, Bob"


def test_of_a_long_line_the_beginning_is_shown_in_whole_letters() -> None:
    assert shortened("hi") == b"hi"
    packed = shortened("й" * 240)
    assert len(packed) <= SAID_SIZE
    assert packed.decode() == "й" * 46 + "…"
