"""Recordings of the public libraries are read as they were written; damaged ones say so."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_runtime.errors import InputError

pytest.importorskip("rosbags", reason="needs rosbags, of the extra `bags`")
pytest.importorskip("mcap", reason="needs mcap, of the extra `bags`")

from ground.bags.recordings import START_NS, STORE, Said, image, write_mcap, write_rosbag
from lunar_ground.bags.bag import Bag
from lunar_ground.bags.images import image_of
from lunar_ground.bags.layouts import decoded
from lunar_ground.bags.records import Topic, topic_of
from mcap.records import Chunk
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, Writer

KIND = "sensor_msgs/msg/Image"
TOPIC = "/camera/image_raw"


def frames(count: int = 20) -> list[Said]:
    """Images of noise, which no chunk's compression makes small, and texts between them."""
    rng = np.random.default_rng(1)
    said = []
    for i in range(count):
        time_ns = START_NS + i * 100_000_000
        values = rng.integers(0, 65536, (48, 64)).astype(np.uint16)
        said.append(Said(TOPIC, KIND, image(values, "mono16", time_ns, padding=2), time_ns))
        text = STORE.types["std_msgs/msg/String"](data=f"frame {i}")
        said.append(Said("/said", "std_msgs/msg/String", text, time_ns + 1))
    return said


def recorded(how: str, folder: Path, said: list[Said], *, old_names: bool = False) -> Path:
    if how == "file":
        return write_mcap(folder / "a.mcap", said, chunk_size=20_000, old_names=old_names)
    if how == "plain file":
        plain = CompressionType.NONE
        return write_mcap(folder / "a.mcap", said, compression=plain, old_names=old_names)
    return write_rosbag(folder / "bag", said, how, old_names=old_names)


@pytest.mark.parametrize("old_names", [False, True])
@pytest.mark.parametrize("how", ["file", "plain file", "mcap", "sqlite3"])
def test_what_was_written_is_read_back_equal(how: str, old_names: bool, tmp_path: Path) -> None:
    said = frames()
    path = recorded(how, tmp_path, said, old_names=old_names)
    files = [path] if path.is_file() else [*path.glob("bag.*")]
    assert (b"sensor_msgs/Image" in files[0].read_bytes()) is old_names
    bag = Bag(path)
    topics = {name: (topic.kind, count) for name, (topic, count) in bag.topics().items()}
    assert topics == {TOPIC: (KIND, 20), "/said": ("std_msgs/msg/String", 20)}
    read = list(bag.records({TOPIC}))
    written = [entry for entry in said if entry.topic == TOPIC]
    assert [record.time_ns for record in read] == [entry.time_ns for entry in written]
    for record, entry in zip(read, written, strict=True):
        assert bytes(record.data) == bytes(STORE.serialize_cdr(entry.message, KIND))
        np.testing.assert_array_equal(
            image_of(decoded(record), KIND), image_of(entry.message, KIND)
        )


@pytest.mark.parametrize(
    ("kind", "read_as"),
    [
        ("sensor_msgs/Image", KIND),
        (KIND, KIND),
        ("example_interfaces/srv/AddTwoInts_Event", "example_interfaces/srv/AddTwoInts_Event"),
        ("foxglove.CompressedImage", "foxglove.CompressedImage"),
        ("", ""),
    ],
)
def test_a_message_of_ros_has_one_name(kind: str, read_as: str) -> None:
    assert topic_of("/a", kind, "cdr") == Topic("/a", read_as, "cdr")


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_compressed_messages_are_told_without_metadata_too(storage: str, tmp_path: Path) -> None:
    folder = write_rosbag(tmp_path / "bag", frames(2), storage, compressed_messages=True)
    with pytest.raises(InputError, match=f"{folder}: its messages are compressed; `ros2 bag conv"):
        Bag(folder)
    (folder / "metadata.yaml").unlink()
    (file,) = folder.iterdir()
    said = (
        f"{file}: its messages are compressed; `ros2 bag convert`, given the folder with its "
        "metadata.yaml, writes them plainly"
    )
    for path in (folder, file):
        for recover in (False, True):
            with pytest.raises(InputError) as error:
                Bag(path, recover=recover).topics()
            assert str(error.value) == said
        with pytest.raises(InputError, match="its messages are compressed"):
            list(Bag(path).records({TOPIC}))


def test_messages_that_are_not_cdr_may_begin_as_zstd_does(tmp_path: Path) -> None:
    data = b"\x28\xb5\x2f\xfd of another encoding"
    with (tmp_path / "a.mcap").open("wb") as stream:
        writer = Writer(stream)
        writer.start()
        channel = writer.register_channel("/a", "own", writer.register_schema("a", "own", b""))
        writer.add_message(channel, START_NS, data, START_NS)
        writer.finish()
    (record,) = Bag(tmp_path / "a.mcap").records({"/a"})
    assert record.data == data


def test_only_the_mcap_package_writes_checksums(tmp_path: Path) -> None:
    said = frames(2)
    unchecked = {}
    for how in ("file", "mcap", "sqlite3"):
        (tmp_path / how).mkdir()
        bag = Bag(recorded(how, tmp_path / how, said))
        bag.topics()
        unchecked[how] = bag.damage.unchecked
    assert unchecked == {"file": set(), "mcap": {"bag.mcap"}, "sqlite3": {"bag.db3"}}


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_a_cut_file_is_refused_or_recovered_as_far_as_it_goes(share: float, tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "a.mcap", frames(), chunk_size=20_000)
    whole = [record.data for record in Bag(path).records({TOPIC})]
    cut(path, share)
    with pytest.raises(InputError, match=r"was cut, as by a loss of power, after \d+ messages"):
        list(Bag(path).records({TOPIC}))
    bag = Bag(path, recover=True)
    read = [record.data for record in bag.records({TOPIC})]
    # Three images a chunk: what is lost is at most the rest of one.
    assert len(whole) * share - 4 <= len(read) < len(whole)
    assert read == whole[: len(read)]
    (lost,) = bag.damage.lost
    assert lost.startswith("a.mcap: it was cut, as by a loss of power, after ")


def test_a_file_that_was_cut_within_its_index_has_all_messages(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "a.mcap", frames(), chunk_size=20_000)
    path.write_bytes(path.read_bytes()[:-20])
    bag = Bag(path, recover=True)
    assert len(list(bag.records({TOPIC}))) == 20
    assert bag.damage.lost
    with pytest.raises(InputError, match="was cut"):
        Bag(path).topics()


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.ZSTD])
def test_a_changed_byte_is_found_and_costs_its_part_alone(
    compression: CompressionType, tmp_path: Path
) -> None:
    path = write_mcap(tmp_path / "a.mcap", frames(), compression=compression, chunk_size=20_000)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="set `recover` to take what is whole"):
        Bag(path).topics()
    bag = Bag(path, recover=True)
    read = list(bag.records({TOPIC}))
    assert 16 <= len(read) < 20
    assert "a part with messages after the" in bag.damage.lost[0]


@pytest.mark.parametrize("compression", [CompressionType.LZ4, CompressionType.ZSTD])
def test_a_part_that_cannot_be_decompressed_costs_itself_alone(
    compression: CompressionType, tmp_path: Path
) -> None:
    """Texts, which become small: a changed byte is one of the compression's own."""
    kind = "std_msgs/msg/String"
    said = [
        Said("/said", kind, STORE.types[kind](data=f"{i} " * 40), START_NS + i) for i in range(1000)
    ]
    path = write_mcap(tmp_path / "a.mcap", said, compression=compression, chunk_size=10_000)
    whole = path.read_bytes()
    parts = [
        record.data
        for record in StreamReader(io.BytesIO(whole), emit_chunks=True).records
        if isinstance(record, Chunk)
    ]
    for part in (parts[1], parts[5], parts[-2]):
        data = bytearray(whole)
        start = whole.index(part) + len(part) // 2
        data[start : start + 20] = bytes(255 - byte for byte in data[start : start + 20])
        path.write_bytes(data)
        bag = Bag(path, recover=True)
        read = {bytes(record.data) for record in bag.records({"/said"})}
        # One part of about equal ones is lost.
        assert 1000 - 1.2 * 1000 / len(parts) < len(read) < 1000 - 0.8 * 1000 / len(parts)
        assert bag.damage.lost


def test_a_cut_database_is_refused_or_recovered(tmp_path: Path) -> None:
    folder = write_rosbag(tmp_path / "bag", frames(60), "sqlite3")
    (path,) = folder.glob("*.db3")
    cut(path, 0.6)
    with pytest.raises(InputError, match=r"it was cut, \d+ bytes before its end"):
        list(Bag(folder).records({TOPIC}))
    bag = Bag(folder, recover=True)
    read = list(bag.records({TOPIC}))
    assert 20 < len(read) < 60
    assert bag.damage.lost


@pytest.mark.parametrize("value", [None, 7, "text", b"bytes"])
def test_a_database_with_values_of_another_kind_is_read(value: Any, tmp_path: Path) -> None:
    """As after a changed byte, which no checksum tells."""
    folder = write_rosbag(tmp_path / "bag", frames(2), "sqlite3")
    # No value may be NULL but a damaged one: the rule is off while the values are written.
    respell = "UPDATE sqlite_master SET sql = replace(sql, ?, ?)"
    for statement, values in (
        (respell, ("NOT NULL", "/* NOT NULL */")),
        ("UPDATE messages SET data = ? WHERE id = 1", (value,)),
        ("UPDATE topics SET type = ? WHERE name = '/said'", (value,)),
        (respell, ("/* NOT NULL */", "NOT NULL")),
    ):
        with sqlite3.connect(folder / "bag.db3") as database:
            database.execute("PRAGMA writable_schema = ON")
            assert database.execute(statement, values).rowcount >= 1
        database.close()
    bag = Bag(folder)
    topics = bag.topics()
    assert isinstance(topics["/said"][0].kind, str)
    assert {name: count for name, (_, count) in topics.items()} == {TOPIC: 2, "/said": 2}
    first, second = bag.records({TOPIC})
    with pytest.raises(InputError, match=f"{TOPIC}: a message at {START_NS} ns is damaged"):
        decoded(first)
    assert decoded(second).width == 64


def test_a_database_that_was_not_closed_says_so(tmp_path: Path) -> None:
    folder = write_rosbag(tmp_path / "bag", frames(2), "sqlite3")
    (folder / "bag.db3-wal").write_bytes(b"later messages")
    with pytest.raises(InputError, match=r"its last messages are in bag\.db3-wal"):
        Bag(folder).topics()


def text_file(folder: Path) -> Path:
    (folder / "a.mcap").write_text("no recording")
    return folder / "a.mcap"


def ros1(folder: Path) -> Path:
    (folder / "a.bag").write_bytes(b"#ROSBAG V2.0\n")
    return folder / "a.bag"


def squeezed(folder: Path) -> Path:
    (folder / "a.mcap.zstd").write_bytes(b"\x28\xb5\x2f\xfd....")
    return folder / "a.mcap.zstd"


def compressed_folder(folder: Path) -> Path:
    bag = write_rosbag(folder / "bag", frames(1), "sqlite3")
    metadata = bag / "metadata.yaml"
    text = metadata.read_text()
    assert "compression_mode: ''" in text
    metadata.write_text(text.replace("compression_mode: ''", "compression_mode: MESSAGE"))
    return bag


def lacking_folder(folder: Path) -> Path:
    bag = write_rosbag(folder / "bag", frames(1), "mcap")
    (bag / "bag.mcap").rename(bag / "other.mcap")
    return bag


def other_database(folder: Path) -> Path:
    with sqlite3.connect(folder / "a.db3") as database:
        database.execute("CREATE TABLE other (id)")
    return folder / "a.db3"


def lfs_pointer(folder: Path) -> Path:
    path = folder / "a.mcap"
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{64 * '0'}\nsize 9\n")
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "none", "no such file or folder"),
        (lambda folder: folder, r"no \.mcap or \.db3 file in it"),
        (text_file, "is neither MCAP nor a bag of ROS 2"),
        (lfs_pointer, "is a pointer of Git LFS; fetch the recording with git lfs pull"),
        (ros1, "is a bag of ROS 1; convert it with rosbags-convert"),
        (squeezed, "is compressed as a whole; decompress it with zstd -d"),
        (compressed_folder, "its messages are compressed; `ros2 bag convert`"),
        (lacking_folder, r"bag\.mcap is missing, which its metadata names"),
        (other_database, "is no bag of ROS 2"),
    ],
)
def test_what_is_no_recording_is_told_in_one_line(make: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as error:
        Bag(make(tmp_path)).topics()
    assert "\n" not in str(error.value)
