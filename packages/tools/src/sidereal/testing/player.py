"""Somebody who has joined a world under test: what they hold, and what their client shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from sidereal.client.events import ReceiptCame, ToldLine
from sidereal.client.view import View
from sidereal.game import Body, Event, Kind, Label, Motion
from sidereal.game.bits import layout_of, pack
from sidereal.game.declarations import Declarations
from sidereal.game.record import Record
from sidereal.game.schema import schema_of
from sidereal.protocol.ids import NET_ID_NONE
from sidereal.tools.simulate.clients import ClientHost
from sidereal.tools.simulate.given.chronicle import Chronicle
from sidereal.tools.simulate.given.columns import by_entity

if TYPE_CHECKING:
    from sidereal.testing.world import World

R = TypeVar("R", bound=Record)
E = TypeVar("E", bound=Event)

_SHOWN: Final[dict[type[Record], dict[str, str]]] = {
    Motion: {name: name for name in ("x", "y", "vx", "vy", "heading")},
    Body: {"radius": "radius"},
    Label: {"name": "name"},
}
"""Columns of a picture, by component and field."""


def name_of_action(game: Declarations, action: Callable[..., None]) -> str:
    """Tell how an action is called.

    Raises:
        LookupError: the game has no such action.
    """
    for each in game.actions:
        if each.function is action:
            return each.name
    raise LookupError(f"{game.name} has no action {action.__name__}")


class Picture:
    """What a client draws at one moment: others where they were shortly ago, its own ahead."""

    def __init__(self, view: View, game: Declarations) -> None:
        self._view = view
        self._components = game.components
        self._numbers = {kind.name: number for number, kind in enumerate(game.kinds, 1)}

    def __len__(self) -> int:
        return len(self._view)

    def count(self, kind: str | Kind) -> int:
        """Count the entities of a kind that it shows."""
        return len(self.ids(kind))

    def ids(self, kind: str | Kind | None = None) -> NDArray[np.uint32]:
        """Give the ids of all that it shows, or of those of a kind: uint32[n], ascending.

        Raises:
            KeyError: the game has no such kind.
        """
        if kind is None:
            return self._view.net_id
        name = kind if isinstance(kind, str) else kind.name
        if name not in self._numbers:
            raise KeyError(f"there is no kind {name}; there are {', '.join(self._numbers)}")
        found: NDArray[np.uint32] = self._view.net_id[self._view.kind == self._numbers[name]]
        return found

    def __getitem__(self, record: type[R], /) -> R:
        """Columns of a component, by entity.

        What a picture does not show of one is NaN, and what this client is not sent is 0.

        Raises:
            KeyError: the game has no such component.
        """
        shown = _SHOWN.get(record)
        if shown is None and record not in self._components:
            known = ", ".join(each.__name__ for each in self._components)
            raise KeyError(f"the game has no {record.__name__}; it has {known}")

        def column(name: str) -> NDArray[Any]:
            if shown is None:
                return np.asarray(getattr(self._view[record], name))
            unknown = np.full(len(self._view), np.nan)
            return getattr(self._view, shown[name]) if name in shown else unknown

        return by_entity(record, self._view.net_id, column)


class Player:
    """Somebody at the controls.

    Attributes:
        name: what others see.
        world: where they are.
    """

    def __init__(self, name: str, world: World, host: ClientHost) -> None:
        self.name = name
        self.world = world
        self._host = host
        self._held: dict[str, float] = {}
        self._chronicle = Chronicle(schema_of(world.game))

    @property
    def entity(self) -> int:
        """What they fly, 0 for nothing."""
        client = self._host.core
        return NET_ID_NONE if client is None else client.net_id

    def hold(self, **values: float) -> None:
        """Hold controls from now on, by the names of their fields; 0 lets go of one.

        A press counts once.

        Raises:
            TypeError: the game has no such control.
        """
        held = {**self._held, **values}
        self._set({name: value for name, value in held.items() if value})

    def press(self, *names: str) -> None:
        """Press controls and let go of them at once: the next input has them in it.

        Raises:
            TypeError: the game has no such control, or nobody can press it.
        """
        held = self._held
        fields = [field for each in self.world.game.controls for field in layout_of(each).fields]
        sorts = {field.name: field.sort for field in fields}
        for name in names:
            if sorts.get(name) in ("axis", "angle"):
                raise TypeError(f"{name} is an {sorts[name]}: say hold({name}=...)")
        self._set({**held, **dict.fromkeys(names, 1.0)})
        self._set(held)

    @property
    def view(self) -> Picture:
        """What their client draws now."""
        client = self._host.returning
        if client is None:
            raise LookupError(f"{self.name} has left")
        return Picture(client.view(self._host.local(self.world.now)), self.world.game)

    def call(self, action: Callable[..., None], **arguments: Any) -> bytes:
        """Ask for an action of the game.

        Returns:
            the key of the call, by which `receipt` finds its answer.

        Raises:
            LookupError: they have left, or the game has no such action.
            LocalProtocolError: it takes other arguments, or too many calls wait.
        """
        if self._host.returning is None:
            raise LookupError(f"{self.name} has left")
        name = name_of_action(self.world.game, action)
        return self._host.returning.call(name, **arguments)

    def receipt(self, key: bytes) -> ReceiptCame | None:
        """Give the answer to a call, None before it has come."""
        for event in self._host.heard:
            if isinstance(event, ReceiptCame) and event.key == key:
                return event
        return None

    @property
    def told(self) -> list[str]:
        """Lines that the game has told them, the oldest first."""
        return [event.text for event in self._host.heard if isinstance(event, ToldLine)]

    def of_account(self, record: type[R]) -> R:
        """What their client knows of their account, one value for each field.

        Raises:
            LookupError: it knows nothing of that.
        """
        return self._known(record, shared=False)

    def of_world(self, record: type[R]) -> R:
        """What their client knows of the world, likewise."""
        return self._known(record, shared=True)

    @property
    def account(self) -> int:
        """Number of their account."""
        client = self._host.core
        welcome = None if client is None else client.welcome
        if welcome is None:
            raise LookupError(f"{self.name} is not in the world")
        return welcome.account

    def events(self, event: type[E]) -> E:
        """Give all events of a sort that their client has shown, with `subject` and `tick`.

        Raises:
            KeyError: the game has no such event.
        """
        client = self._host.returning
        if client is not None:
            view = client.view(self._host.local(self.world.now))
            self._chronicle.tell(client.take_happened(view.tick))
        return self._chronicle.of(event)

    def leave(self) -> None:
        """Say goodbye and go."""
        self._host.leave(self.world.now)

    def _known(self, record: type[R], *, shared: bool) -> R:
        client = self._host.core
        known = None if client is None else client.placeless.get(record, shared=shared)
        if known is None:
            raise LookupError(f"{self.name} knows nothing of {record.__name__}")
        return known

    def _set(self, held: dict[str, float]) -> None:
        if self._host.returning is None:
            raise LookupError(f"{self.name} has left")
        (controls,) = self.world.game.controls or (None,)
        if controls is None:
            raise TypeError(f"{self.world.game.name} has no controls")
        self._host.returning.hold(pack(controls(**held)))
        pressed = {field.name for field in layout_of(controls).fields if field.sort == "press"}
        self._held = {name: value for name, value in held.items() if name not in pressed}
