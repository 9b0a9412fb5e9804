"""`python -m netif`: the command line."""

from __future__ import annotations

import sys

import netif

if __name__ == "__main__":
    try:
        for room in ("stack", "tapio", "components"):
            netif.check_room(room)
    except ImportError as error:
        sys.exit(f"netif: {error}")
    from components.cli import main

    sys.exit(main())
