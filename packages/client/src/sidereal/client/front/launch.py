"""`sidereal view`: check, open the window, sign in, show the world until somebody leaves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import trio

from sidereal.client.driver import Admission, drive, open_session
from sidereal.client.front import preflight
from sidereal.client.front.config import ViewConfig, check_view_config
from sidereal.client.front.layers import parse_layers
from sidereal.client.front.viewer import Viewer
from sidereal.client.http import open_http
from sidereal.client.returning import ReturningClient
from sidereal.game.declarations import Declarations
from sidereal.game.load import load_to_show
from sidereal.protocol.errors import SiderealError, UnavailableError
from sidereal.protocol.message.player import Role

if TYPE_CHECKING:
    from sidereal.client.front.loop import TrioLoop
    from sidereal.client.front.window import ViewWindow

SOFTWARE: Final = "sidereal view 0.1"
DATA_WAIT_S_MAX: Final = 15.0
"""How long a picture waits for the world to appear."""
SHOT_AFTER_S: Final = 3.0
"""From the first data to the picture, when `--seconds` does not say."""


def run_view(config: ViewConfig) -> int:
    """Run the debug client until the window is closed or the flags say so.

    It hosts Trio inside the window's loop, so call it outside of any Trio run.

    Returns:
        The exit status, 0.

    Raises:
        ConfigError: the flags make no sense, or there is no such game.
        UnavailableError: no OpenGL, no display, no server, no data from it, or it ended the
            stay while nobody was watching.
        SignInError: the server does not let us in.
    """
    check_view_config(config)
    game = load_to_show(config.game)
    preflight.check(config.headless)
    loop, window = _open(config)

    async def stay() -> int:
        return await _stay(config, game, window)

    try:
        status = loop.run_trio(stay)
    except BaseExceptionGroup as group:
        # Nurseries wrap; a caller wants the one sentence that says what is wrong.
        matching = group.subgroup(SiderealError)
        if matching is None or group.split(SiderealError)[1] is not None:
            raise
        raise _first(matching) from None
    finally:
        window.close()
    return 0 if status is None else status  # None: the window was closed


def _open(config: ViewConfig) -> tuple[TrioLoop, ViewWindow]:
    if config.headless:
        os.environ[preflight.HEADLESS] = "1"
    from arcade import NoOpenGLException

    from sidereal.client.front.window import open_window

    try:
        return open_window(config.size, "Sidereal")
    except NoOpenGLException as error:
        raise UnavailableError(preflight.describe_no_opengl(error)) from None


def _first(group: BaseExceptionGroup[SiderealError]) -> SiderealError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _stay(config: ViewConfig, game: Declarations, window: ViewWindow) -> int:
    # Bound to this run: the window asks for the time between Trio's turns.
    clock = trio.lowlevel.current_clock().current_time
    role = Role.OBSERVER if config.observe else Role.PLAYER
    client = ReturningClient(
        game=game, any_world=True, entropy=os.urandom, now=clock(), software=SOFTWARE
    )

    async def sign_in() -> Admission:
        async with open_http(config.server) as http:
            return await open_session(http, config.name, config.password, role)

    # The first time a refusal ends the command; later it is a reason to wait.
    admission = await sign_in()
    client.admit(admission.connect_token, clock())
    viewer = Viewer(
        client,
        window.meter,
        size=(window.width, window.height),
        observing=admission.role is not Role.PLAYER,
        layers=parse_layers(config.layers),
        at=config.at,
    )
    window.attach(viewer, clock)
    if config.sound:
        window.unmute()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drive, client, sign_in)
        status = await _show(config, window, viewer)
        nursery.cancel_scope.cancel()
    return status


async def _show(config: ViewConfig, window: ViewWindow, viewer: Viewer) -> int:
    """Stay as long as the flags say; a window with a person before it stays until closed."""
    unattended = window.headless or config.shot is not None
    if config.shot is not None:
        with trio.move_on_after(DATA_WAIT_S_MAX):
            while not viewer.settled and viewer.ended is None:
                await window.wait_frame()
        if not viewer.settled and viewer.ended is None:
            raise UnavailableError(f"no picture: nothing to see after {DATA_WAIT_S_MAX:.0f} s")
    limit_s = config.seconds or (SHOT_AFTER_S if config.shot is not None else float("inf"))
    with trio.move_on_after(limit_s):
        while not (unattended and viewer.ended is not None):
            await window.wait_frame()
    if unattended and viewer.ended is not None:
        reason = viewer.ended.reason.name.lower().replace("_", " ")
        raise UnavailableError(f"the server ended the session ({reason}) {viewer.ended.text}")
    if unattended and viewer.frame is not None and viewer.frame.absence is not None:
        lost = viewer.frame.absence
        raise UnavailableError(
            f"the session was lost ({lost.reason}) and not won back: {lost.text}"
        )
    if config.shot is not None:
        await window.save_picture(config.shot)
    return 0
