"""What all commands read their arguments with: argparse, whose complaints fit on one line here."""

from __future__ import annotations

import argparse
from typing import NoReturn

from components.command import Complaint


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaints fit on one line."""

    def error(self, message: str) -> NoReturn:
        raise Complaint(f"{message} (see {self.prog} --help)")
