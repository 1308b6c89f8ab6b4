"""Where this checkout is, and where all that belongs to a running system is kept in it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".wardgate"
