"""The wheel, in a fresh environment, beside somebody else's modules of the same names."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent.parent


def run(*command: str | Path, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, TOP, cwd=folder)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("netif-*.whl"))


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that has the wheel and what it depends on, and nothing else."""
    folder = tmp_path_factory.mktemp("fresh")
    assert run(sys.executable, "-m", "venv", folder, cwd=folder).returncode == 0
    installed = run(folder / "bin/python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    assert installed.returncode == 0, installed.stderr
    return folder / "bin"


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A folder with a stack.py and a components/ of somebody else's."""
    (tmp_path / "stack.py").write_text("raise RuntimeError('this is my own stack.py')\n")
    (tmp_path / "components").mkdir()
    (tmp_path / "components/__init__.py").write_text("raise RuntimeError('these are my own components')\n")
    return tmp_path


def test_the_wheel_holds_the_rooms_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"netif", "tapio", "stack", "components"}
    assert {f"{room}/py.typed" for room in tops} <= set(names)
    entry_points = next(name for name in names if name.endswith("entry_points.txt"))
    text = zipfile.ZipFile(wheel).read(entry_points).decode()
    assert "netif = " in text
    assert "make_tap_netif = " in text
    assert "[pytest11]\nnetif = netif.pytest_plugin" in text


def test_the_console_scripts_run_beside_foreign_modules_of_the_same_names(scripts, crowded):
    demo = run(scripts / "netif", "demo", cwd=crowded)
    assert demo.returncode == 0, demo.stderr
    client = run(scripts / "netif", "tcp_client", "--once", "-v", cwd=crowded)
    assert client.returncode == 0, client.stderr
    assert "Received" in client.stderr + client.stdout
    dry = run(scripts / "make_tap_netif", "tap7", "--dry-run", cwd=crowded)
    assert dry.returncode == 0, dry.stderr


def test_python_m_beside_foreign_modules_names_them_and_the_remedy(scripts, crowded):
    asked = run(scripts / "python", "-m", "netif", "demo", cwd=crowded)
    assert asked.returncode == 2
    assert str(crowded) in asked.stderr
    asked = run(scripts / "python", "-c", "import netif; netif.Stack", cwd=crowded)
    assert "ImportError" in asked.stderr
    assert str(crowded / "stack.py") in asked.stderr
    assert "own stack.py'" not in asked.stderr, "it was looked at, not imported"


def test_a_users_type_checker_sees_the_lazy_names(scripts, tmp_path):
    names = ("netif.Lan", "netif.Tap", "netif.netif_new", "netif.esp.netif_attach", "netif.NETIF_INHERENT_DEFAULT_ETH")
    shown = "".join(f"reveal_type({name})\n" for name in names)
    (tmp_path / "program.py").write_text(f"import netif\nfrom netif import netif_new\n{shown}")
    checked = run(sys.executable, "-m", "mypy", "--python-executable", scripts / "python", "program.py", cwd=tmp_path)
    assert 'Revealed type is "Any"' not in checked.stdout
    assert "error:" not in checked.stdout
    for shape in ("Lan", "Tap", "NetifConfig", "Netif", "InherentConfig"):
        assert shape in checked.stdout
