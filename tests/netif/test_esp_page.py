"""docs/esp_netif.md lists every function and every error, and says truly which have nothing behind them."""

from __future__ import annotations

import re
from pathlib import Path

import netif
from netif import errors, esp
from netif.esp import unsupported

TEXT = (Path(netif.__file__).parent.parent / "docs" / "esp_netif.md").read_text()
ROWS = re.findall(r"^\| (?:`(\w+)`)? ?\| `(\w+)` \| ?(.*?) ?\|$", TEXT, re.MULTILINE)
PRESETS_REFUSED = {f"NETIF_INHERENT_DEFAULT_{name}" for name in ("PPP",)}


def test_every_function_has_a_row():
    functions = {name for name in esp.__all__ if name.startswith(("netif_", "event_", "ip4addr_", "vfs_", "NETIF_"))}
    listed = [here for _, here, _ in ROWS]
    assert len(listed) == len(set(listed))
    assert set(listed) == functions


def test_the_names_are_upstreams_without_esp():
    for upstream, here, _ in ROWS:
        assert upstream in ("", f"esp_{here}", f"ESP_{here}")


def test_what_has_nothing_behind_it_is_said_to():
    said = {here for _, here, notes in ROWS if notes.startswith("not supported")}
    assert said == {*unsupported.__all__} | PRESETS_REFUSED


def test_every_error_has_a_row():
    rows = re.findall(r"^\| (-1|0x\w+) \| `(\w+)` \| `(\w+)`", TEXT, re.MULTILINE)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.NetifError)]
    assert {(int(code, 0), name, here) for code, name, here in rows} == {
        (kind.code, kind.name, kind.__name__) for kind in kinds
    }
    assert {here for _, _, here in rows} <= set(netif.__all__)
