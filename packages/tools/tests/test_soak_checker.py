"""Each rule of the soak's checker is shown what it is for, and what it must let pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from sidereal.protocol.channel.events import (
    SERVER_PEER,
    Acked,
    ClientEvent,
    Closed,
    Lost,
    Opened,
    PeerClosed,
    PeerOpened,
    Received,
    ServerEvent,
)
from sidereal.protocol.errors import CloseReason, WireError
from sidereal.protocol.ids import Address
from sidereal.tools.soak.body import LABEL_SIZE, Label, decode_body_untrusted, encode_body
from sidereal.tools.soak.checker import SENT_JUDGED_MIN, VIOLATIONS_MAX, Checker, encode_user_data
from sidereal.tools.soak.config import TIMEOUT_S, End

HOME: Final = Address("192.0.2.7", 7)
UNRELIABLE, SEQUENCED, ORDERED, UNORDERED = range(4)
CLIENT, SERVER = End
LEFT: Final = CloseReason.CLOSED_LOCALLY


class Play:
    """A checker, and a session as honest endpoints would tell it."""

    def __init__(self) -> None:
        self.checker = Checker()
        self.now = 1.0

    def begin(self, session: int = 1, client_id: int = 5, address: Address = HOME) -> None:
        self.checker.begin(session, client_id, address, self.now)

    def let_in(self, session: int = 1, client_id: int = 5, address: Address = HOME) -> None:
        """The server opens the session; its peer has the same number."""
        user_data = encode_user_data(session)
        self.say(PeerOpened(session, client_id, user_data, address))

    def connect(self, session: int = 1, client_id: int = 5, address: Address = HOME) -> None:
        self.begin(session, client_id, address)
        self.let_in(session, client_id, address)
        self.hear(Opened(), session)

    def say(self, event: ServerEvent) -> None:
        self.checker.take_server_event(event, self.now)

    def hear(self, event: ClientEvent, session: int = 1) -> None:
        self.checker.take_client_event(session, event, self.now)

    def send(self, channel: int, count: int = 1, sender: End = CLIENT) -> list[Label]:
        return [self.checker.send(1, sender, channel) for _ in range(count)]

    def deliver(self, *labels: Label, session: int = 1) -> None:
        for label in labels:
            body = encode_body(label, 100)
            if label.sender is CLIENT:
                self.say(Received(session, label.channel, body))
            else:
                self.hear(Received(SERVER_PEER, label.channel, body), session)

    def leave(self) -> None:
        """The client says goodbye, and the server hears it."""
        self.checker.expect(1, CLIENT, {LEFT}, self.now)
        self.hear(Closed(LEFT))
        self.checker.expect(1, SERVER, {CloseReason.CLOSED_BY_PEER}, self.now + 1)
        self.say(PeerClosed(1, CloseReason.CLOSED_BY_PEER))


def twice(channel: int) -> Callable[[Play], None]:
    def plant(play: Play) -> None:
        play.connect()
        first, second = play.send(channel, 2)
        play.deliver(first, second, second)

    return plant


def never_sent(channel: int) -> Callable[[Play], None]:
    def plant(play: Play) -> None:
        play.connect()
        play.deliver(*play.send(channel, 1), Label(1, CLIENT, channel, 1))

    return plant


def flipped_bit(play: Play) -> None:
    play.connect()
    body = bytearray(encode_body(play.send(UNORDERED)[0], 5000))
    body[4321] ^= 4
    play.say(Received(1, UNORDERED, bytes(body)))


def cut_end(play: Play) -> None:
    play.connect()
    body = encode_body(play.send(UNORDERED)[0], 5000)
    play.say(Received(1, UNORDERED, body[:-1]))


def empty(play: Play) -> None:
    play.connect()
    play.say(Received(1, UNRELIABLE, b""))


def sequenced_after_a_newer(play: Play) -> None:
    play.connect()
    first, second = play.send(SEQUENCED, 2)
    play.deliver(second, first)


def ordered_out_of_order(play: Play) -> None:
    play.connect()
    _, second = play.send(ORDERED, 2)
    play.deliver(second)


def reliable_lost(channel: int) -> Callable[[Play], None]:
    def plant(play: Play) -> None:
        play.connect()
        play.deliver(*play.send(channel, 2, SERVER)[:1])
        play.checker.check_drained(1)

    return plant


def acked_twice(play: Play) -> None:
    play.connect()
    (label,) = play.send(UNRELIABLE)
    tag = play.checker.tag(label)
    play.deliver(label)
    play.hear(Acked(SERVER_PEER, [tag, tag]))


def acked_but_never_tagged(play: Play) -> None:
    play.connect()
    (label,) = play.send(UNRELIABLE)
    play.deliver(label)
    play.hear(Acked(SERVER_PEER, [UNRELIABLE]))


def lost_after_it_was_acked(play: Play) -> None:
    play.connect()
    (label,) = play.send(UNRELIABLE)
    tag = play.checker.tag(label)
    play.deliver(label)
    play.hear(Acked(SERVER_PEER, [tag]))
    play.hear(Lost(SERVER_PEER, [tag]))


def acked_by_the_sender_of_others(play: Play) -> None:
    play.connect()
    (label,) = play.send(UNRELIABLE)
    tag = play.checker.tag(label)
    play.deliver(label)
    play.say(Acked(1, [tag]))


def acked_but_lost(channel: int) -> Callable[[Play], None]:
    def plant(play: Play) -> None:
        play.connect()
        first, second = play.send(channel, 2, SERVER)
        tag = play.checker.tag(second)
        play.deliver(first)
        play.say(Acked(1, [tag]))

    return plant


def of_another_session(play: Play) -> None:
    play.connect()
    play.connect(2, 6, Address("192.0.2.8", 8))
    play.deliver(*play.send(UNORDERED), session=2)


def of_another_channel(play: Play) -> None:
    play.connect()
    play.say(Received(1, ORDERED, encode_body(play.send(UNORDERED)[0], 100)))


def back_to_its_sender(play: Play) -> None:
    play.connect()
    play.hear(Received(SERVER_PEER, UNORDERED, encode_body(play.send(UNORDERED)[0], 100)))


def before_the_session(play: Play) -> None:
    play.begin()
    play.let_in()
    play.deliver(*play.send(UNORDERED, 1, SERVER))


def after_the_session(play: Play) -> None:
    play.connect()
    (label,) = play.send(UNORDERED)
    play.leave()
    play.deliver(label)


def after_the_client_left(play: Play) -> None:
    play.connect()
    (label,) = play.send(UNORDERED, 1, SERVER)
    play.checker.expect(1, CLIENT, {LEFT}, play.now)
    play.hear(Closed(LEFT))
    play.deliver(label)


def let_in_twice(play: Play) -> None:
    play.connect()
    play.let_in()


def let_in_again_later(play: Play) -> None:
    play.connect()
    play.leave()
    play.let_in()


def connected_twice(play: Play) -> None:
    play.connect()
    play.hear(Opened())


def let_in_under_another_name(play: Play) -> None:
    play.begin()
    play.let_in(client_id=6)


def let_in_from_another_place(play: Play) -> None:
    play.begin()
    play.let_in(address=Address("192.0.2.8", 8))


def connected_to_nobody(play: Play) -> None:
    play.begin()
    play.hear(Opened())


def closed_without_a_reason(play: Play) -> None:
    play.connect()
    play.say(PeerClosed(1, CloseReason.TIMED_OUT))


def closed_with_another_reason(play: Play) -> None:
    play.connect()
    play.checker.expect(1, SERVER, {CloseReason.SHUTTING_DOWN}, play.now)
    play.say(PeerClosed(1, CloseReason.CLOSED_LOCALLY))


def closed_twice(play: Play) -> None:
    play.connect()
    play.leave()
    play.say(PeerClosed(1, CloseReason.CLOSED_BY_PEER))


def timed_out_while_nobody_was_in_the_way(play: Play) -> None:
    play.begin()
    play.hear(Closed(CloseReason.TIMED_OUT))


def a_silence_nobody_noticed(play: Play) -> None:
    play.connect()
    play.checker.expect(1, SERVER, {CloseReason.TIMED_OUT}, play.now + TIMEOUT_S)
    play.checker.forget_client(1)
    play.checker.look(play.now + TIMEOUT_S)
    play.checker.look(play.now + TIMEOUT_S + 0.1)
    play.checker.look(play.now + TIMEOUT_S + 0.2)


def never_let_in_and_never_refused(play: Play) -> None:
    play.begin()
    play.checker.look(play.now + 3 * TIMEOUT_S)


def left_open_at_the_end(play: Play) -> None:
    play.connect()
    play.checker.forget_client(1)
    play.checker.conclude(play.now)


def a_dead_channel(play: Play) -> None:
    play.connect()
    play.send(UNRELIABLE, SENT_JUDGED_MIN)
    play.deliver(*play.send(SEQUENCED, SENT_JUDGED_MIN)[::2])
    play.leave()
    play.checker.conclude(play.now)


def nonsense(play: Play) -> None:
    play.connect()
    play.checker.check_honest(1, SERVER, 1)


PLANTS: Final[tuple[tuple[Callable[[Play], None], str], ...]] = (
    (twice(UNRELIABLE), "from the client, channel 0: number 1 came twice"),
    (twice(SEQUENCED), "from the client, channel 1: number 1 came after 1"),
    (twice(ORDERED), "from the client, channel 2: number 1 came when 2 was due"),
    (twice(UNORDERED), "from the client, channel 3: number 1 came twice"),
    *((never_sent(channel), "number 1 was never sent") for channel in range(4)),
    (flipped_bit, "channel 3 delivered Label(session=1"),
    (cut_end, "channel 3 delivered 4999 bytes, and it says 5000"),
    (empty, "channel 0 delivered 0 bytes are too few"),
    (sequenced_after_a_newer, "number 0 came after 1"),
    (ordered_out_of_order, "number 1 came when 0 was due"),
    (reliable_lost(ORDERED), "1 of 2 messages from the server never came on channel 2"),
    (reliable_lost(UNORDERED), "1 of 2 messages from the server never came on channel 3"),
    (acked_twice, "was never sent, or was acked before"),
    (acked_but_never_tagged, "was never sent, or was acked before"),
    (lost_after_it_was_acked, "is lost and was never sent, or acked"),
    (acked_by_the_sender_of_others, "was never sent, or was acked before"),
    (acked_but_lost(UNRELIABLE), "number 1 on channel 0 is acked and did not come"),
    (acked_but_lost(SEQUENCED), "number 1 on channel 1 is acked and did not come"),
    (of_another_session, "delivered what the client did not send there"),
    (of_another_channel, "delivered what the client did not send there"),
    (back_to_its_sender, "delivered what the server did not send there"),
    (before_the_session, "before the session opened"),
    (after_the_session, "an event of peer 1, who is not there"),
    (after_the_client_left, "an event of a client whose session is over"),
    (let_in_twice, "the server's end opened again"),
    (let_in_again_later, "a session nobody began, or an old one"),
    (connected_twice, "the client's end opened again"),
    (let_in_under_another_name, "client 6 at Address(host='192.0.2.7', port=7) in its place"),
    (let_in_from_another_place, "client 5 at Address(host='192.0.2.8', port=8) in its place"),
    (connected_to_nobody, "the client is connected to nobody"),
    (closed_without_a_reason, "the server's end closed with TIMED_OUT, expected none"),
    (closed_with_another_reason, "closed with CLOSED_LOCALLY, expected SHUTTING_DOWN"),
    (closed_twice, "an event of peer 1, who is not there"),
    (timed_out_while_nobody_was_in_the_way, "closed with TIMED_OUT, expected none"),
    (a_silence_nobody_noticed, "the server's end is overdue"),
    (never_let_in_and_never_refused, "the client's end is overdue"),
    (left_open_at_the_end, "the server's end never closed"),
    (a_dead_channel, "channel 0 from the client is as good as dead: 0 of 100 came"),
    (nonsense, "the server got 1 packets of nonsense"),
)


@pytest.mark.parametrize(("plant", "text"), PLANTS)
def test_a_planted_violation_is_found_once(plant: Callable[[Play], None], text: str) -> None:
    play = Play()
    plant(play)
    (violation,) = play.checker.violations
    assert text in violation.text
    assert violation.at >= 0.0


def test_an_honest_session_breaks_nothing() -> None:
    play = Play()
    play.connect()
    for sender in End:
        a, b, c, d = play.send(UNRELIABLE, 4, sender)
        tags = [play.checker.tag(label) for label in (a, b, c)]
        play.deliver(d, a, c)
        e, f, g = play.send(SEQUENCED, 3, sender)
        tags += [play.checker.tag(label) for label in (e, f)]
        play.deliver(f)
        play.deliver(*play.send(ORDERED, 3, sender))
        h, i, j = play.send(UNORDERED, 3, sender)
        play.deliver(j, h)
        assert play.checker.owed(1) == 1
        play.deliver(i)
        # `b` is lost, `e` is void since `f` came, and nobody says of `g` that it came.
        acks = [tags[2], tags[0], tags[3], tags[4]]
        play.hear(Acked(SERVER_PEER, acks)) if sender is CLIENT else play.say(Acked(1, acks))
        assert g.number == 2
    play.checker.check_drained(1)
    play.leave()
    play.checker.look(play.now + 100.0)
    play.checker.conclude(play.now + 100.0)
    assert play.checker.violations == []
    assert play.checker.tags_acked == 8
    assert play.checker.delivered[CLIENT, UNRELIABLE] == 3
    assert play.checker.closed[SERVER, CloseReason.CLOSED_BY_PEER] == 1


@pytest.mark.parametrize(
    ("client_id", "address"), [(5, Address("192.0.2.8", 8)), (6, HOME)], ids=["name", "address"]
)
def test_who_finds_its_place_taken_may_time_out_or_get_in(client_id: int, address: Address) -> None:
    play = Play()
    play.connect()
    play.checker.expect(1, SERVER, {CloseReason.TIMED_OUT}, play.now + 9)
    play.checker.forget_client(1)
    play.begin(2, client_id, address)
    play.hear(Closed(CloseReason.TIMED_OUT), 2)
    play.begin(3, client_id, address)
    play.say(PeerClosed(1, CloseReason.TIMED_OUT))
    play.let_in(3, client_id, address)
    play.hear(Opened(), 3)
    assert play.checker.violations == []
    play.hear(Closed(CloseReason.TIMED_OUT), 3)
    assert len(play.checker.violations) == 1


def test_who_timed_out_may_be_let_in_by_its_last_response_until_that_times_out_too() -> None:
    play = Play()
    play.connect()
    play.checker.expect(1, SERVER, {CloseReason.TIMED_OUT}, play.now + 9)
    play.checker.forget_client(1)
    play.begin(2)
    play.hear(Closed(CloseReason.TIMED_OUT), 2)
    play.say(PeerClosed(1, CloseReason.TIMED_OUT))
    play.let_in(2)
    play.say(PeerClosed(2, CloseReason.TIMED_OUT))
    assert play.checker.violations == []


def test_who_gave_up_may_have_been_let_in_after_all() -> None:
    play = Play()
    for session in (1, 2):
        play.begin(session, session, Address("192.0.2.9", session))
        play.checker.expect(session, CLIENT, {LEFT}, play.now)
        play.checker.expect(session, SERVER, {CloseReason.TIMED_OUT}, play.now + TIMEOUT_S + 1)
        play.hear(Closed(LEFT), session)
    play.let_in(1, 1, Address("192.0.2.9", 1))
    play.say(PeerClosed(1, CloseReason.TIMED_OUT))
    play.checker.look(play.now + TIMEOUT_S + 2)
    play.checker.conclude(play.now + TIMEOUT_S + 2)
    assert play.checker.violations == []


def test_the_list_of_violations_is_bounded_and_their_count_is_not() -> None:
    play = Play()
    for _ in range(VIOLATIONS_MAX + 5):
        play.say(PeerClosed(9, CloseReason.TIMED_OUT))
    assert len(play.checker.violations) == VIOLATIONS_MAX
    assert play.checker.violation_count == VIOLATIONS_MAX + 5


@pytest.mark.parametrize("size", [LABEL_SIZE, LABEL_SIZE + 1, 1150, 300_000])
def test_a_body_is_read_back(size: int) -> None:
    label = Label(123_456, SERVER, 3, 789)
    body = encode_body(label, size)
    assert len(body) == size
    assert decode_body_untrusted(body) == label


def test_no_other_byte_passes_for_a_body() -> None:
    body = encode_body(Label(1, CLIENT, 2, 3), 300)
    for place in range(len(body)):
        other = bytearray(body)
        other[place] ^= 1 << place % 8
        with pytest.raises(WireError):
            decode_body_untrusted(bytes(other))
    for other_body in (body[:-1], body + b"\0", body[1:], body[: LABEL_SIZE - 1]):
        with pytest.raises(WireError):
            decode_body_untrusted(other_body)


def test_fragments_of_two_messages_do_not_pass_for_one() -> None:
    one = encode_body(Label(1, CLIENT, 2, 3), 3000)
    other = encode_body(Label(1, CLIENT, 2, 4), 3000)
    for mixed in (one[:1024] + other[1024:], one[:1024] + one[2048:] + one[1024:2048]):
        with pytest.raises(WireError):
            decode_body_untrusted(mixed)
