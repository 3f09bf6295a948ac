"""Health records as CCSDS space packets (CCSDS 133.0-B), for a vehicle's telemetry.

| APID | packet |
|---|---|
| 0x500 | ping |
| 0x501 | a pair |
| 0x502 | a pair that warns or is fatal, or a ping that does |

Primary header as ever: version 0, telemetry, secondary header flag set, unsegmented, a sequence
count for each APID. Secondary header: CDS short time (CCSDS 301.0-B: P-field 0x40, 16 bits of days
since 1958, 32 bits of milliseconds). Then the user data, big-endian, 65 bytes:

| offset | type | field |
|---|---|---|
| 0 | u8 | layout, 1 |
| 1 | u8 | severity: 0 ping, 1 warn, 2 fatal |
| 2 | u8 | condition: 0 nominal, 1 degraded, 2 refused, 255 none |
| 3 | u8 | verdict: 0 measured, 1 guessed, 255 none |
| 4 | u8 | rung: 0 refined, 1 coarse, 2 geometry, 3 network, 4 last good, 255 none |
| 5 | u8 | step of the rung; 0 = none |
| 6 | u8 | deadline: 0 late, 1 met, 255 none |
| 7 | u8 | tripped monitors, how many |
| 8 | u32 | sequence of the record |
| 12 | u32 | milliseconds since the runtime was loaded |
| 16 | f32 | milliseconds that the pair took |
| 20 | f32 | deadline, milliseconds; NaN = none |
| 24 | f32 | age of an earlier result, seconds; NaN = none |
| 28 | f32 | temperature, Celsius; NaN = none |
| 32 | f32 | resident memory, MiB; NaN = none |
| 36 | u32 | pairs |
| 40 | u32 | degraded |
| 44 | u32 | refused |
| 48 | u32 | late |
| 52 | u16 | priors dropped |
| 54 | u16 | failures of the network |
| 56 | u16 | restarts |
| 58 | u32 | slice of the weights that is checked next |
| 62 | u16 | mismatches of weights |
| 64 | u8 | pairs with an activation out of bounds |

Counters that outgrow their field stay at its largest value.
"""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from datetime import datetime
from typing import Any

from lunar_runtime.errors import BackendError
from lunar_runtime.guard.health_record import HealthRecord

PING_APID, PAIR_APID, ALARM_APID = 0x500, 0x501, 0x502

#: Of the user data; see the module.
LAYOUT = struct.Struct(">8B2I5f4I3HIHB")
#: Of a packet: primary header, secondary header, user data.
PACKET_BYTES = 6 + 7 + LAYOUT.size

_SEVERITY = ("ping", "warn", "fatal")
_CONDITION = ("nominal", "degraded", "refused")
_VERDICT = ("measured", "guessed")
_RUNG = ("refined", "coarse", "geometry", "network", "last good")
_NONE = 255
_COUNTS = 1 << 14  # of a sequence count


class PacketEncoder:
    """Makes packets, with a sequence count for each APID.

    Raises:
        BackendError: spacepackets is not installed.
    """

    def __init__(self) -> None:
        try:
            from spacepackets.ccsds import CdsShortTimestamp
            from spacepackets.ccsds.spacepacket import SpacePacket, SpHeader
        except ImportError as error:
            raise BackendError(
                f"space packets need spacepackets ({error}); install it with "
                "`pip install 'lunar-edge[ccsds]'`"
            ) from error
        self._time: Any = CdsShortTimestamp
        self._packet: Any = SpacePacket
        self._header: Any = SpHeader
        self._counts: defaultdict[int, int] = defaultdict(int)

    def encode(self, record: HealthRecord) -> bytes:
        """A record as one packet."""
        apid = ALARM_APID if record.severity != "ping" else PAIR_APID
        if record.kind == "ping" and record.severity == "ping":
            apid = PING_APID
        when = self._time.from_datetime(datetime.fromisoformat(record.time)).pack()
        data = user_data(record)
        header = self._header.tm(
            apid=apid,
            seq_count=self._counts[apid] % _COUNTS,
            data_len=len(when) + len(data) - 1,
            sec_header_flag=True,
        )
        self._counts[apid] += 1
        return bytes(self._packet(header, when, data).pack())


def user_data(record: HealthRecord) -> bytes:
    """What follows the secondary header."""
    rung, _, step = (record.rung or "").partition(" 1/")
    counters, scrub = record.counters, record.scrub or {}
    return LAYOUT.pack(
        record.health_version,
        _SEVERITY.index(record.severity),
        _index(_CONDITION, record.condition),
        _index(_VERDICT, record.verdict),
        _index(_RUNG, rung or None),
        int(step or 1) if rung else 0,
        _NONE if record.met is None else int(record.met),
        min(len(record.monitors), _NONE),
        record.sequence % (1 << 32),
        int(record.uptime_s * 1e3) % (1 << 32),
        _number(record.took_ms),
        _number(record.deadline_ms),
        _number(record.age_s),
        _number(record.temperature_c),
        _number(record.resident_mib),
        *(_capped(n, 32) for n in (counters.pairs, counters.degraded, counters.refused)),
        _capped(counters.late, 32),
        *(_capped(n, 16) for n in (counters.dropped_priors, counters.network_failures)),
        _capped(counters.restarts, 16),
        _capped(int(scrub.get("position", 0)), 32),
        _capped(int(scrub.get("mismatches", 0)), 16),
        _capped(int((record.activations or {}).get("breaches", 0)), 8),
    )


def _index(names: tuple[str, ...], name: str | None) -> int:
    return names.index(name) if name in names else _NONE


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _capped(count: int, bits: int) -> int:
    return min(count, (1 << bits) - 1)
