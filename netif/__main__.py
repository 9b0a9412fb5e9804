"""`python -m netif`: the command line."""

from __future__ import annotations

import sys

import netif

if __name__ == "__main__":
    try:
        for room in ("stack", "tapio", "components"):
            netif.check_room(room)
    except ImportError as error:
        print(f"netif: {error}", file=sys.stderr)
        sys.exit(2)
    from components.cli import main

    sys.exit(main())
