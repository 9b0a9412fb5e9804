"""What the documents show is true: their programs run as they stand."""

import re
import socket
from pathlib import Path

TOP = Path(__file__).parent.parent


def blocks(document: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (TOP / document).read_text(), re.MULTILINE | re.DOTALL)


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_drivers_guide_makes_a_driver_that_works():
    program = "\n".join(blocks("docs/driver.md"))
    for port in ("47001", "47002"):
        assert port in program
        program = program.replace(port, str(free_udp_port()))
    exec(compile(program, "docs/driver.md", "exec"), {"__name__": "driver"})


def test_the_page_on_congestion_makes_a_control_that_works():
    program = "\n".join(blocks("docs/congestion.md"))
    exec(compile(program, "docs/congestion.md", "exec"), {"__name__": "congestion"})


def test_the_page_on_the_dhcp_server_shows_one_at_work():
    for n, program in enumerate(blocks("docs/dhcp_server.md")):
        exec(compile(program, f"docs/dhcp_server.md {n}", "exec"), {"__name__": "serving"})


def test_the_page_on_networks_in_a_process_runs():
    for n, program in enumerate(blocks("docs/lan.md")):
        exec(compile(program, f"docs/lan.md {n}", "exec"), {"__name__": "lan"})


def test_the_page_on_the_gateway_runs():
    for n, program in enumerate(blocks("docs/gateway.md")):
        exec(compile(program, f"docs/gateway.md {n}", "exec"), {"__name__": "gateway"})


def test_the_readmes_first_program_runs():
    first = blocks("README.md")[0]
    assert "Lan(" in first
    exec(compile(first, "README.md", "exec"), {"__name__": "first"})


def test_every_file_that_the_documents_name_is_there():
    for document in ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (TOP / "docs").glob("*.md"))]:
        text = (TOP / document).read_text()
        links = re.findall(r"\]\(([^)#:]+)\)", text)
        paths = re.findall(r"`((?:netif|tapio|stack|components|tests|docs|scripts)/[\w/.]+\.py)`", text)
        for name in [*(str((TOP / document).parent / link) for link in links), *paths]:
            assert (TOP / name).exists(), f"{document} names {name}"


def test_the_page_on_faults_runs():
    program = "\n".join(blocks("docs/impair.md"))
    exec(compile(program, "docs/impair.md", "exec"), {"__name__": "faults"})


def test_the_page_on_tunables_runs():
    for program in blocks("docs/tunables.md"):
        scope = {"__name__": "tunables"}
        exec(compile(program, "docs/tunables.md", "exec"), scope)
    rows = scope["plot"].getvalue().splitlines()
    assert len(rows) > 700  # a megabyte of segments, and their ACKs
    assert any(",recovery," in row for row in rows)


def test_the_page_on_ip_runs():
    program = "\n".join(blocks("docs/ip.md"))
    exec(compile(program, "docs/ip.md", "exec"), {"__name__": "ip"})


def test_the_page_on_names_runs():
    program = "\n".join(blocks("docs/dns.md"))
    exec(compile(program, "docs/dns.md", "exec"), {"__name__": "dns"})


def test_the_page_on_wires_runs(tmp_path):
    program = "\n".join(blocks("docs/wires.md")).replace("/tmp/netif-page", f"{tmp_path}/lan")
    exec(compile(program, "docs/wires.md", "exec"), {"__name__": "wires"})


def test_the_page_on_qemu_runs(capsys):
    program = "\n".join(blocks("docs/qemu.md"))
    exec(compile(program, "docs/qemu.md", "exec"), {"__name__": "qemu"})
    words = capsys.readouterr().out.split()
    assert words[::2] == ["-netdev", "-device"]
    assert words[3] == "virtio-net-pci,netdev=firmware,mac=52:54:00:00:00:01"


def test_the_page_on_the_router_runs():
    program = "\n".join(blocks("docs/router.md"))
    exec(compile(program, "docs/router.md", "exec"), {"__name__": "router"})


def test_the_page_on_bridges_runs():
    for n, program in enumerate(blocks("docs/bridge.md")):
        exec(compile(program, f"docs/bridge.md {n}", "exec"), {"__name__": "bridging"})


def test_the_page_on_captures_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = "\n".join(blocks("docs/capture.md"))
    exec(compile(program, "docs/capture.md", "exec"), {"__name__": "capture"})


def test_the_page_on_serving_runs():
    for n, program in enumerate(blocks("docs/serving.md")):
        exec(compile(program, f"docs/serving.md {n}", "exec"), {"__name__": "serving"})


def test_the_page_on_programs_as_they_are_runs():
    for n, program in enumerate(blocks("docs/use.md")):
        exec(compile(program, f"docs/use.md {n}", "exec"), {"__name__": "using"})


def test_the_page_on_asyncio_runs():
    program = "\n".join(blocks("docs/asyncio.md"))
    exec(compile(program, "docs/asyncio.md", "exec"), {"__name__": "on_loops"})


def test_the_page_on_sockets_runs():
    for n, program in enumerate(blocks("docs/sockets.md")):
        exec(compile(program, f"docs/sockets.md {n}", "exec"), {"__name__": "sockets"})
