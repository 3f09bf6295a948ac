"""Where health records go: lines in a file, datagrams, or CCSDS space packets in either.

    FILE                    a line of JSON a record, appended
    udp://HOST:PORT         a datagram of JSON a record
    ccsds:FILE              space packets, appended
    ccsds+udp://HOST:PORT   a datagram a packet

HOST is an address in numbers: nothing is looked up. A record that cannot be handed on is lost and
counted. It never stops a pair.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lunar_runtime.errors import OutputError, UsageError
from lunar_runtime.guard.health_record import HealthRecord, encode_health

_CCSDS_FILE, _CCSDS_UDP, _UDP = "ccsds:", "ccsds+udp://", "udp://"


class Sink(Protocol):
    """Takes records."""

    def put(self, record: HealthRecord) -> bool:
        """Hand a record on; False = it is lost."""
        ...

    def close(self) -> None:
        """Give file or socket back."""
        ...


#: First bytes: of an object in JSON; of telemetry with a secondary header, APID 0x500 and above.
_LINE, _PACKET = b"{", b"\x0d"
_log = logging.getLogger(__name__)

#: A record as bytes.
_Encode = Callable[[HealthRecord], bytes]


def open_sink(target: str) -> Sink:
    """Open what a target names; see the module.

    Raises:
        UsageError: It names nothing of these.
        OutputError: The file cannot be opened, or holds something else than such records.
        BackendError: The package that makes space packets is missing.
    """
    if target.startswith(_CCSDS_UDP):
        return _Datagrams(_address(target, _CCSDS_UDP), _packets())
    if target.startswith(_CCSDS_FILE):
        return _File(Path(target.removeprefix(_CCSDS_FILE)), _packets(), lines=False)
    if target.startswith(_UDP):
        return _Datagrams(_address(target, _UDP), encode_health)
    if "://" in target:
        raise UsageError(
            f"`health` {target}: choose a file, udp://HOST:PORT, ccsds:FILE or "
            "ccsds+udp://HOST:PORT"
        )
    return _File(Path(target), encode_health, lines=True)


def _packets() -> _Encode:
    from lunar_runtime.guard.ccsds import PacketEncoder

    return PacketEncoder().encode


def _packet_bytes() -> int:
    from lunar_runtime.guard.ccsds import PACKET_BYTES

    return PACKET_BYTES


def _address(target: str, scheme: str) -> tuple[str, int]:
    host, colon, port = target.removeprefix(scheme).rpartition(":")
    try:
        address = str(ipaddress.ip_address(host.strip("[]")))
        number = int(port)
    except ValueError as error:
        raise UsageError(
            f"`health` {target}: give an address in numbers and a port, as {scheme}127.0.0.1:5005"
        ) from error
    if not (colon and 0 < number < 1 << 16):
        raise UsageError(f"`health` {target}: a port is 1 to 65535")
    return address, number


class _File:
    def __init__(self, path: Path, encode: _Encode, *, lines: bool) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            self._file = os.open(path, flags, 0o644)
            self._regular = stat.S_ISREG(os.fstat(self._file).st_mode)
            first = os.pread(self._file, 1, 0) if self._regular else b""
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OutputError(
                f"{path}: cannot be written ({reason}); choose another `health`"
            ) from error
        if first and first != (_LINE if lines else _PACKET):
            os.close(self._file)
            what = "lines of JSON" if lines else "space packets"
            raise OutputError(f"{path}: holds something else than {what}; choose another `health`")
        self._encode = encode
        if first:
            self._begin_anew(path, lines)

    def _begin_anew(self, path: Path, lines: bool) -> None:
        """After half a record, as a loss of power leaves one: the next must not be lost too."""
        size = os.fstat(self._file).st_size
        if lines and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")
            _log.warning("health: %s ends in half a record; a new line was begun", path)
        elif not lines and (half := size % _packet_bytes()):
            os.ftruncate(self._file, size - half)
            _log.warning("health: %s ended in half a record, which was removed", path)

    def put(self, record: HealthRecord) -> bool:
        content = self._encode(record)
        try:
            written = os.write(self._file, content)
            if written < len(content) and self._regular:  # no half record before the next one
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
        except OSError:
            return False
        return written == len(content)

    def close(self) -> None:
        os.close(self._file)


class _Datagrams:
    def __init__(self, address: tuple[str, int], encode: _Encode) -> None:
        kind = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.socket(kind, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._address, self._encode = address, encode

    def put(self, record: HealthRecord) -> bool:
        content = self._encode(record)
        try:
            return self._socket.sendto(content, self._address) == len(content)
        except OSError:
            return False

    def close(self) -> None:
        self._socket.close()
