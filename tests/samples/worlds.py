"""Play a few whole worlds; ends with 1 at the first in which a checker finds something."""

from __future__ import annotations

import sys
from typing import Final

from sidereal.tools.simulate.play import plan_of, play

SEEDS: Final = 3


def main() -> int:
    for seed in range(SEEDS):
        if play(plan_of(seed)).violations:
            print(f"seed {seed}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
