"""`python -m tests.anywhere [--darwin] ARGUMENTS`: pytest, on a system that is not Linux as far as Python can tell."""

from __future__ import annotations

import sys

from tests.anywhere.hide import hide


def main(arguments: list[str]) -> int:
    hide("darwin" if "--darwin" in arguments else None)
    import pytest

    from tests.anywhere.left_out import LeftOut

    words = [word for word in arguments if word != "--darwin"]
    return int(pytest.main(["-p", "no:cacheprovider", *words], plugins=[LeftOut()]))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
