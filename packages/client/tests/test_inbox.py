from __future__ import annotations

from sidereal.client.inbox import Inbox


def test_what_came_together_is_taken_together_and_once() -> None:
    inbox = Inbox()
    for message, at in ((b"a", 1.0), (b"b", 1.0), (b"c", 1.5)):
        inbox.add(message, at)
    assert len(inbox) == 3
    assert list(inbox.take()) == [(1.0, [b"a", b"b"]), (1.5, [b"c"])]
    assert list(inbox.take()) == []
    assert not inbox
