"""How much is tried by tests that try things at random."""

from __future__ import annotations

import os

SCALE = float(os.environ.get("POINTSMAN_TEST_SCALE", "1"))
"""How many times more than usual; a usual run stays within minutes."""
