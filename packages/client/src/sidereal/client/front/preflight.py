"""Are OpenGL and a display here? Asked before arcade is imported, answered in words.

arcade and pyglet fail with `Library "GL" not found` at import, or with `NoneType has no attribute
XRenderFindVisualFormat`; a newcomer needs the name of a package instead.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

from sidereal.protocol.errors import UnavailableError

LIBRARIES_DRAWING: Final = {
    "GL": "libgl1",
    "freetype": "libfontconfig1",
    "fontconfig": "libfontconfig1",
}
"""Library to Debian package, needed to draw at all; arcade imports GL even off screen."""
LIBRARIES_HEADLESS: Final = {"EGL": "libegl1"}
LIBRARIES_WINDOW: Final = {"X11": "libx11-6", "Xrender": "libxrender1"}

HEADLESS: Final = "ARCADE_HEADLESS"
"""Variable by which arcade draws off screen; it reads it once, when it is imported."""

NO_GRAPHICS: Final = "No graphics at all?  `sidereal monitor` needs only a terminal."
NO_DISPLAY_REMEDIES: Final = (
    "  In a terminal:  sidereal monitor\n"
    "  a picture anyway:  sidereal view --headless --shot world.png\n"
    "  on a virtual screen:  xvfb-run -a sidereal view   (apt-get install xvfb xauth)"
)


def check(
    headless: bool,
    *,
    platform: str = sys.platform,
    environ: Mapping[str, str] = os.environ,
    loads: Callable[[str], bool] | None = None,
    has_module: Callable[[str], bool] | None = None,
    answers: Callable[[], bool] | None = None,
) -> None:
    """Check that the viewer can draw here; cheap, and arcade is not imported.

    Args:
        headless: off screen, so no display is needed.
        platform: as `sys.platform`.
        environ: as `os.environ`.
        loads: whether a shared library loads, by its short name.
        has_module: whether a Python module is installed.
        answers: whether the X server that DISPLAY names takes a connection.

    Raises:
        UnavailableError: saying what is missing and how to get it.
    """
    if not (has_module or _has_module)("arcade"):
        raise UnavailableError(
            "The debug client draws with arcade, which is not installed.\n"
            "  Install it:  uv pip install 'sidereal-client[view]'\n"
            f"  {NO_GRAPHICS}"
        )
    if not platform.startswith("linux"):
        return
    wanted = LIBRARIES_DRAWING | (LIBRARIES_HEADLESS if headless else LIBRARIES_WINDOW)
    loads = loads or _loads
    packages = list(dict.fromkeys(wanted[name] for name in wanted if not loads(name)))
    if packages:
        raise UnavailableError(
            f"The debug client draws with OpenGL, and this machine lacks {', '.join(packages)}.\n"
            "  Debian/Ubuntu:  sudo apt-get install --no-install-recommends"
            f" {' '.join(packages)}\n"
            f"  {NO_GRAPHICS}"
        )
    if headless:
        return
    if not environ.get("DISPLAY"):
        raise UnavailableError(
            f"There is no display here (DISPLAY is not set).\n{NO_DISPLAY_REMEDIES}"
        )
    if not (answers or _display_answers)():
        raise UnavailableError(
            f"The display {environ['DISPLAY']!r} (DISPLAY) does not answer.\n{NO_DISPLAY_REMEDIES}"
        )


def describe_no_opengl(error: Exception) -> str:
    """Say in words that the libraries are here and the driver is not; only trying can tell."""
    return (
        f"OpenGL 3.3 is needed and this machine's driver does not give it ({error}).\n"
        "  Debian/Ubuntu, in software:  sudo apt-get install --no-install-recommends"
        " libgl1-mesa-dri\n"
        f"  {NO_GRAPHICS}"
    )


def _has_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _loads(name: str) -> bool:
    """Whether pyglet would find that library: by the linker's name, else as `libNAME.so`."""
    try:
        ctypes.CDLL(ctypes.util.find_library(name) or f"lib{name}.so")
    except OSError:
        return False
    return True


def _display_answers() -> bool:
    x11 = ctypes.CDLL(ctypes.util.find_library("X11") or "libX11.so")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    display = x11.XOpenDisplay(None)
    if display:
        x11.XCloseDisplay(display)
    return bool(display)
