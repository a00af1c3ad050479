"""`python -m sidereal.tools`: the same as `sidereal`."""

import sys

from sidereal.tools.cli import main

sys.exit(main())
