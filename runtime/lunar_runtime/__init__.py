"""Stereo pair to pointmap, depth and slope of the Moon, on board.

Public names load on first use (PEP 562), so that importing the package costs nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"
