"""A seed repeats a run, bit for bit, whatever the interpreter's hash seed."""

import os
import subprocess
import sys
from pathlib import Path

SCENE = Path(__file__).parent / "scene.py"


def capture(path: Path, seed: int, hash_seed: str) -> bytes:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(SCENE.parent.parent.parent)}
    subprocess.run([sys.executable, str(SCENE), str(path), str(seed)], env=environment, check=True, timeout=120)
    return path.read_bytes()


def test_the_same_seed_gives_the_same_capture_under_any_hash_seed(tmp_path):
    one = capture(tmp_path / "one.pcapng", 7, "0")
    other = capture(tmp_path / "other.pcapng", 7, "1")
    assert len(one) > 100_000
    assert one == other


def test_another_seed_gives_another_capture(tmp_path):
    assert capture(tmp_path / "one.pcapng", 7, "0") != capture(tmp_path / "other.pcapng", 8, "0")
