import subprocess
import sys
from collections.abc import Callable

import pytest

from sidereal.client.front.preflight import check
from sidereal.protocol.errors import UnavailableError

DISPLAY = {"DISPLAY": ":0"}


def missing(*names: str) -> Callable[[str], bool]:
    return lambda name: name not in names


def yes(*_: str) -> bool:
    return True


def no(*_: str) -> bool:
    return False


def message(headless: bool, **seams: object) -> str:
    defaults: dict[str, object] = {
        "platform": "linux",
        "environ": DISPLAY,
        "loads": yes,
        "has_module": yes,
        "answers": yes,
    }
    with pytest.raises(UnavailableError) as caught:
        check(headless, **{**defaults, **seams})  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize("headless", [True, False])
def test_nothing_missing_passes(headless: bool) -> None:
    check(headless, platform="linux", environ=DISPLAY, loads=yes, has_module=yes, answers=yes)


def test_missing_libraries_become_one_apt_line() -> None:
    text = message(True, loads=missing("freetype", "fontconfig", "EGL"))
    assert "lacks libfontconfig1, libegl1." in text
    assert "sudo apt-get install --no-install-recommends libfontconfig1 libegl1\n" in text
    assert "sidereal monitor" in text


def test_a_window_needs_x_and_a_picture_egl() -> None:
    assert "libxrender1" in message(False, loads=missing("Xrender", "EGL"))
    assert "libegl1" not in message(False, loads=missing("Xrender", "EGL"))
    check(True, platform="linux", environ={}, loads=missing("Xrender", "X11"), has_module=yes)


def test_gl_is_needed_even_off_screen() -> None:
    assert "lacks libgl1." in message(True, loads=missing("GL"))


def test_no_display_names_the_ways_around_it() -> None:
    text = message(False, environ={})
    assert "DISPLAY is not set" in text
    for remedy in ("sidereal monitor", "--shot", "xvfb-run"):
        assert remedy in text


def test_a_display_that_does_not_answer_is_named() -> None:
    assert "':0' (DISPLAY) does not answer" in message(False, answers=no)


def test_arcade_not_installed_says_which_extra() -> None:
    assert "sidereal-client[view]" in message(True, has_module=no)


def test_other_systems_bring_their_own_opengl() -> None:
    check(False, platform="darwin", environ={}, loads=no, has_module=yes)
    check(False, platform="win32", environ={}, loads=no, has_module=yes)


def test_asking_does_not_import_arcade() -> None:
    script = (
        "import sys\n"
        "import sidereal.client.front.preflight, sidereal.client.front.config\n"
        "import sidereal.client.front.viewer\n"
        "bad = {'arcade', 'pyglet', 'PIL'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
