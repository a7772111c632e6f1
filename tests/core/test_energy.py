from __future__ import annotations

import time
from pathlib import Path

import pytest

from tunelift.core.energy import Counter, measured_energy, nvml_counters, rapl_counters

SPAN = 262_143_328_850


def zone(folder: Path, name: str, label: str, microjoules: int = 0) -> Path:
    """A counter as the kernel shows it."""
    (folder / name).mkdir()
    (folder / name / "name").write_text(f"{label}\n")
    (folder / name / "max_energy_range_uj").write_text(f"{SPAN}\n")
    (folder / name / "energy_uj").write_text(f"{microjoules}\n")
    return folder / name / "energy_uj"


def test_packages_and_memory_are_counted_once(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:0:0", "core")
    zone(tmp_path, "intel-rapl:0:1", "dram")
    zone(tmp_path, "intel-rapl:1", "package-1")
    zone(tmp_path, "intel-rapl:1:1", "dram")
    zone(tmp_path, "intel-rapl:2", "psys")
    zone(tmp_path, "intel-rapl-mmio:0", "package-0")
    (tmp_path / "intel-rapl").mkdir()
    assert [counter.name for counter in rapl_counters(tmp_path)] == ["package-0", "dram-0", "package-1", "dram-1"]


def test_energy_of_a_block(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000), zone(tmp_path, "intel-rapl:0:1", "dram")
    with measured_energy(rapl_counters(tmp_path)) as energy:
        first.write_text("17000000\n")
        second.write_text("500000\n")
    assert energy.parts == pytest.approx({"package-0": 12.0, "dram-0": 0.5})
    assert energy.joules == pytest.approx(12.5)


def test_a_counter_begins_anew(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:0", "package-0", SPAN - 1_000_000)
    with measured_energy(rapl_counters(tmp_path)) as energy:
        file.write_text("2000000\n")
    assert energy.joules == pytest.approx(3.0)


def test_a_counter_that_begins_anew_twice_is_read_in_between() -> None:
    readings = iter([8.0, 1.0, 5.0, 9.0, 2.0, *[2.0] * 10_000])
    with measured_energy([Counter("package-0", lambda: next(readings), 10.0)], seconds=0.002) as energy:
        deadline = time.monotonic() + 20
        while energy.parts["package-0"] < 14 and time.monotonic() < deadline:
            time.sleep(0.002)
    assert energy.joules == pytest.approx(3 + 4 + 4 + 3)


def test_where_nothing_can_be_read_there_is_no_energy(tmp_path: Path) -> None:
    def unreadable() -> float:
        raise PermissionError

    for counters in ([], rapl_counters(tmp_path / "missing"), [Counter("package-0", unreadable, 1.0)]):
        with measured_energy(counters) as energy:
            pass
        assert energy.joules is None


def test_a_counter_that_is_lost_on_the_way_is_left_out(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "intel-rapl:0", "package-0"), zone(tmp_path, "intel-rapl:1", "package-1")
    with measured_energy(rapl_counters(tmp_path)) as energy:
        first.unlink()
        second.write_text("1000000\n")
    assert energy.parts == {"package-1": 1.0}
    with measured_energy(rapl_counters(tmp_path)) as energy:
        second.write_text("nonsense")
    assert energy.joules is None


def test_an_error_of_the_block_passes(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:0", "package-0")
    with pytest.raises(KeyError), measured_energy(rapl_counters(tmp_path)) as energy:  # noqa: PT012
        file.write_text("1000000\n")
        raise KeyError
    assert energy.joules == 1.0


def test_this_machine_is_no_error() -> None:
    assert all(counter.read() is None or counter.read() >= 0 for counter in nvml_counters())
    with measured_energy() as energy:
        pass
    assert energy.joules is None or energy.joules >= 0
