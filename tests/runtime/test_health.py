"""A record of every pair: as lines, as datagrams, as space packets; counters, pings, severities."""

from __future__ import annotations

import json
import resource
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lunar_runtime.errors import BackendError, InputError, OutputError, UsageError
from lunar_runtime.guard.ccsds import LAYOUT, PACKET_BYTES, PAIR_APID, user_data
from lunar_runtime.guard.health import Health
from lunar_runtime.guard.health_record import Counters, HealthRecord
from lunar_runtime.guard.health_sink import open_sink
from lunar_runtime.guard.vital_signs import VitalSigns

from .outcomes import Outcome
from .results import network_result, refined_result


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self, *, loses: bool = False) -> None:
        self.records: list[HealthRecord] = []
        self._loses = loses

    def put(self, record: HealthRecord) -> bool:
        self.records.append(record)
        return not self._loses

    def close(self) -> None:
        pass


def test_every_pair_is_counted_by_what_became_of_it() -> None:
    sink = Kept(loses=True)
    with Health(sink, ping_s=None) as health:
        with health.pair() as record:
            record(refined_result())
        with health.pair() as record:
            record(network_result())
        for error, times in ((InputError("black"), 4), (InputError("black"), 1)):
            for _ in range(times):
                with pytest.raises(InputError), health.pair():
                    raise error
        with pytest.raises(BackendError), health.pair():
            raise BackendError("gone")
    assert [r.condition for r in sink.records] == ["nominal", "degraded", *["refused"] * 6]
    assert [r.severity for r in sink.records] == ["ping", "warn", *["warn"] * 4, "fatal", "fatal"]
    assert sink.records[1].degraded_to == "the network's word"
    assert sink.records[-1].reasons == ["BackendError: gone"]
    counters = sink.records[-1].counters
    assert (counters.pairs, counters.nominal, counters.degraded, counters.refused) == (8, 1, 1, 6)
    assert counters.network_failures == 1 and counters.lost_records == 8
    assert [r.sequence for r in sink.records] == list(range(8))
    assert all((r.resident_mib or 0) > 10 for r in sink.records)


def test_pings_warn_of_a_pair_that_does_not_end_and_then_are_fatal() -> None:
    sink = Kept()
    with Health(sink, ping_s=0.01, warn_after_s=0.1, fatal_after_s=0.3) as health:
        time.sleep(0.1)
        with health.pair() as record:
            while not any(r.severity == "fatal" for r in sink.records):
                time.sleep(0.01)
            record(refined_result())
    severities = [r.severity for r in sink.records if r.kind == "ping"]
    assert severities[0] == "ping" and sink.records[0].took_ms is None
    assert severities.index("warn") < severities.index("fatal")


def test_lines_go_to_a_file_and_datagrams_to_a_port(tmp_path: Path) -> None:
    file = tmp_path / "health.jsonl"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(10)
        port = listener.getsockname()[1]
        for target in (str(file), f"udp://127.0.0.1:{port}"):
            with Health(open_sink(target), ping_s=None) as health, health.pair() as record:
                record(refined_result())
        datagram = listener.recv(1 << 16)
    line = json.loads(file.read_bytes())
    assert (line["kind"], line["condition"], line["verdict"]) == ("pair", "nominal", "measured")
    assert json.loads(datagram)["counters"] == line["counters"]


def test_a_target_that_is_none_is_refused(tmp_path: Path) -> None:
    for target, said in (
        ("http://127.0.0.1:1", "choose a file"),
        ("udp://localhost:5", "an address in numbers"),
        ("udp://127.0.0.1:70000", "a port is 1 to 65535"),
    ):
        with pytest.raises(UsageError, match=said):
            open_sink(target)
    with pytest.raises(OutputError, match="cannot be written"):
        open_sink(str(tmp_path / "no" / "health.jsonl"))


def record_of(**fields: object) -> HealthRecord:
    return HealthRecord(
        kind="pair", sequence=7, time="2026-11-29T03:00:00.250+00:00", uptime_s=12.5,
        severity="warn", counters=Counters(pairs=70000, restarts=1 << 20), **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_packets_user_data_is_as_documented() -> None:
    data = user_data(
        record_of(condition="degraded", verdict="guessed", rung="coarse 1/4", met=True, took_ms=1.5)
    )
    assert len(data) == LAYOUT.size == 65
    assert tuple(data[:8]) == (1, 1, 1, 1, 1, 4, 1, 0)
    assert struct.unpack_from(">IIff", data, 8)[:3] == (7, 12500, 1.5)
    assert struct.unpack_from(">I", data, 36) == (70000,)
    assert struct.unpack_from(">H", data, 56) == (65535,)  # a counter ends at its field's largest


def test_packets_are_read_back_by_spacepackets(tmp_path: Path) -> None:
    spacepackets = pytest.importorskip("spacepackets", reason="spacepackets is not installed")
    file = tmp_path / "health.bin"
    sink = open_sink(f"ccsds:{file}")
    for _ in range(2):
        assert sink.put(record_of())
    sink.close()
    content = file.read_bytes()
    size = 6 + 7 + LAYOUT.size
    assert len(content) == 2 * size
    for count in range(2):
        packet = content[count * size : (count + 1) * size]
        header = spacepackets.ccsds.SpacePacketHeader.unpack(packet)
        assert (header.apid, header.seq_count) == (PAIR_APID + 1, count)
        assert header.sec_header_flag and header.packet_len == size
        stamp = spacepackets.ccsds.CdsShortTimestamp.unpack(packet[6:13])
        assert stamp.as_datetime().isoformat() == "2026-11-29T03:00:00.250000+00:00"


def test_the_hottest_zone_is_told_and_what_is_not_connected_is_left_out(tmp_path: Path) -> None:
    for number, content in enumerate(("41500", "62250", "-274000", "no number")):
        zone = tmp_path / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "temp").write_text(f"{content}\n")
    signs = VitalSigns(tmp_path, tmp_path / "missing")
    assert (signs.temperature_c(), signs.resident_mib()) == (62.25, None)
    signs.close()
    assert VitalSigns(tmp_path / "none").temperature_c() is None


def test_the_command_tells_of_its_pairs(
    infer: Callable[..., Outcome], pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    health = tmp_path / "health.jsonl"
    outcome = infer(
        *pair, "--bundle", bundles["both"], "--out", tmp_path / "out", "--health", health
    )
    assert outcome.code == 0
    lines = [json.loads(line) for line in health.read_text().splitlines()]
    (told,) = [line for line in lines if line["kind"] == "pair"]
    assert (told["condition"], told["degraded_to"]) == ("degraded", "the network's word")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["condition"], report["degraded_to"]) == ("degraded", "the network's word")


def test_a_file_of_another_format_is_not_appended_to(tmp_path: Path) -> None:
    pytest.importorskip("spacepackets")
    lines, packets = tmp_path / "lines", tmp_path / "packets"
    with Health(open_sink(str(lines)), ping_s=None) as health, health.pair() as record:
        record(refined_result())
    with Health(open_sink(f"ccsds:{packets}"), ping_s=None) as health, health.pair() as record:
        record(refined_result())
    for target, what in ((f"ccsds:{lines}", "space packets"), (str(packets), "lines of JSON")):
        with pytest.raises(OutputError, match=f"holds something else than {what}"):
            open_sink(target)
    (tmp_path / "text").write_text("of somebody else\n")
    with pytest.raises(OutputError, match="holds something else than space packets"):
        open_sink(f"ccsds:{tmp_path / 'text'}")
    for target in (str(lines), f"ccsds:{packets}"):
        open_sink(target).close()


@pytest.mark.parametrize("kind", ["lines", "packets"])
def test_half_a_record_does_not_cost_the_next_one(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "health"
    if kind == "packets":
        pytest.importorskip("spacepackets")
    target = str(file) if kind == "lines" else f"ccsds:{file}"
    for cut in (20, 0):  # first the power goes in the midst of the second record
        sink = open_sink(target)
        assert sink.put(record_of()) and sink.put(record_of())
        sink.close()
        with file.open("r+b") as stream:
            stream.truncate(file.stat().st_size - cut)
    assert len(caplog.messages) == 1 and "half a record" in caplog.text
    if kind == "packets":
        packets = [file.read_bytes()[at : at + PACKET_BYTES] for at in range(0, 3 * 78, 78)]
        assert PACKET_BYTES == 78 and file.stat().st_size == 3 * PACKET_BYTES
        assert [packet[0] for packet in packets] == [packets[0][0]] * 3
    else:
        first, half, *others = file.read_bytes().splitlines()
        assert [json.loads(line)["sequence"] for line in (first, *others)] == [7, 7, 7]
        assert half == first[: len(half)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_records_that_are_lost_are_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    with Health(open_sink("/dev/full"), ping_s=None) as health:
        for _ in range(3):
            with health.pair() as record:
                record(refined_result())
    assert health.counters.lost_records == 3
    assert caplog.messages == [
        "health: a record could not be handed on; pairs go on",
        "health: 3 of 3 records could not be handed on",
    ]


def test_of_a_record_that_does_not_fit_nothing_stays(tmp_path: Path) -> None:
    """A file that may be so long and no longer: as a disk that is full in the middle of a line."""
    path = tmp_path / "health.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Health(open_sink(str(path)), ping_s=None) as health:
        with health.pair() as record:
            record(refined_result())
        whole = path.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 100, before[1]))
        try:
            with health.pair() as record:
                record(refined_result())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == whole
    assert health.counters.lost_records == 1
