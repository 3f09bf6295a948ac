"""`lunar-qualify`: every figure has its raw record, and everything that is missing is admitted."""

from __future__ import annotations

import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest
from lunar_bench.cli import command as lunar_bench
from lunar_bench.commands import qualify as command_module
from lunar_bench.commands.qualify import main
from lunar_bench.dossier.kinds import KINDS, SECTIONS
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.bundles.signing import make_key, sign_bundle
from runtime.plane_bundle import write_plane_bundle

RESULTS = Path(__file__).parents[2] / "benchmarks/results"
GIVEN = (
    "edits_s0_default_256.json",
    "sonnx_s0_cpu_256.json",
    "deadlines_s0_rendered_512.json",
    "honesty_s0_mixed_512.json",
    "upsets_s0_weights_256.json",
    "coverage_s0_stereolunar_512.json",
    "footprint_s0_refined_512.json",
    "landing_s0_rendered_512.json",
    "accuracy_s0_stereolunar_512.json",
    "run_s0_cpu_256",
)


class Page(HTMLParser):
    """What a browser would find: tags that close, links, and what would run or be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.foreign: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        if tag == "a":
            self.links.add(values["href"] or "")
        if "id" in values:
            self.ids.add(values["id"] or "")
        if tag in ("script", "img", "iframe", "object") or "src" in values:
            self.foreign.append(tag)
        assert not [name for name in values if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def qualify(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(each) for each in arguments])
    said = capfd.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def records(names: tuple[str, ...] = GIVEN) -> list[object]:
    return [word for name in names for word in ("--record", RESULTS / name)]


def test_the_commands_choices_are_the_kinds() -> None:
    assert set(command_module._KINDS) == set(KINDS)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kinds_command_is_one_of_lunar_bench(kind: str, quick: bool) -> None:
    words = [word.format(bundle="b", data="d", pair="p") for word in KINDS[kind].words(quick=quick)]
    command: click.Command = lunar_bench
    while isinstance(command, click.Group):
        name, *words = words
        command = command.commands[name]
    context = command.make_context(kind, [KINDS[kind].saves, "saved", *words])
    assert str(context.params[KINDS[kind].saves.strip("-")]) == "saved"


def test_every_figure_leads_to_its_raw_record(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "dossier"
    code, said, _ = qualify(capfd, default_bundle_path(), "--out", out, *records())
    data = json.loads((out / "dossier.json").read_text())
    page = Page((out / "dossier.html").read_text())
    assert page.foreign == []
    files = {link for link in page.links if not link.startswith("#")}
    assert files == {f"records/{path.name}" for path in (out / "records").iterdir()}
    assert {link[1:] for link in page.links if link.startswith("#")} == page.ids
    assert len(files) == len(GIVEN)
    for each in data["evidence"]:
        content = (out / each["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == each["sha256"]
        assert each["sha256"] in page.text
        assert each["findings"]
        for finding in each["findings"]:
            assert finding["name"] in page.text and finding["value"] in page.text
    assert {each["section"] for each in data["evidence"]} == set(SECTIONS) - {"identity", "domain"}
    bundle = Bundle.open(default_bundle_path())
    assert bundle.digest in page.text
    missed = [f for each in data["evidence"] for f in each["findings"] if f["met"] is False]
    assert code == (5 if missed else 0)
    assert said.count("not met: ") == len(missed)
    # What was left out, what was missed and what is not signed is admitted.
    deviations = [(each["where"], each["what"]) for each in data["deviations"]]
    assert ("interruptions", "not run: no record was given, and nobody asked for it") in deviations
    assert any("unsigned" in what for where, what in deviations if where == "Identity")
    for finding in missed:
        assert any(what.startswith(f"{finding['name']}: ") for _, what in deviations)
    for _, what in deviations:
        assert what in page.text


def test_what_was_measured_on_another_bundle_or_board_is_a_deviation(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bundle = write_plane_bundle(tmp_path / "plane")
    out = tmp_path / "dossier"
    names = ("edits_s0_default_256.json", "footprint_s0_refined_512.json")
    qualify(capfd, bundle, "--board", "Orin <AGX>", "--out", out, *records(names))
    data = json.loads((out / "dossier.json").read_text())
    found = {(each["where"], each["what"]) for each in data["deviations"]}
    assert ("edits", "measured on another bundle") in found
    assert ("footprint", "the record does not say on which bundle") in found
    assert any(what.endswith("not on Orin <AGX>") for where, what in found if where == "edits")
    assert "Orin <AGX>" in Page((out / "dossier.html").read_text()).text


def test_no_text_of_a_record_or_name_becomes_markup(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J"
    record = json.loads((RESULTS / "edits_s0_default_256.json").read_text())
    record["machine"]["processor"] = record["machine"]["date"] = record["machine"]["commit"] = evil
    file = tmp_path / 'edits_"><b>.json'
    file.write_text(json.dumps(record))
    out = tmp_path / "dossier"
    bundle = write_plane_bundle(tmp_path / "pl<u>ane")
    code, said, err = qualify(capfd, bundle, "--out", out, "--record", file, "--board", evil)
    assert code == 0, err
    page = Page((out / "dossier.html").read_text())
    assert page.foreign == []
    assert "<script>alert(1)</script>" in page.text  # as words
    assert "\x1b" not in said + err


def test_a_signature_that_is_trusted_is_no_deviation(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("cryptography")
    bundle = write_plane_bundle(tmp_path / "plane")
    make_key("flight", tmp_path / "keys")
    sign_bundle(bundle, tmp_path / "keys/flight.key")
    qualify(capfd, bundle, "--out", tmp_path / "d", "--trust", tmp_path / "keys/flight.json")
    data = json.loads((tmp_path / "d/dossier.json").read_text())
    assert data["identity"]["signature"] == "trusted by flight"
    assert not [each for each in data["deviations"] if "unsigned" in each["what"]]


def test_a_record_is_measured_where_it_is_asked_for(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bundle = write_plane_bundle(tmp_path / "plane")
    out = tmp_path / "d"
    code, _, err = qualify(capfd, bundle, "--out", out, "--run", "sonnx", "--run", "honesty")
    data = json.loads((out / "dossier.json").read_text())
    (evidence,) = data["evidence"]
    assert evidence["kind"] == "sonnx" and evidence["source"] == "run"
    assert code == (5 if any(f["met"] is False for f in evidence["findings"]) else 0)
    assert "run      lunar-bench sonnx" in err
    whys = {each["where"]: each["what"] for each in data["deviations"]}
    assert whys["honesty"] == "not run: it needs pairs with truth; give --data"


def test_what_is_no_record_is_refused(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bundle, out = write_plane_bundle(tmp_path / "plane"), tmp_path / "d"
    for name, content, said in (
        ("tides.json", "{}", "the name of a record begins with what it is"),
        ("edits_x.json", "{}", "not a record of `lunar-bench edits`"),
        ("edits_y.json", "[" * 10_000, "not a record of `lunar-bench edits`"),
        ("run_z.json", '{"machine": {}, "noise": 3}', "not a record of `lunar-bench run`"),
    ):
        (tmp_path / name).write_text(content)
        code, _, err = qualify(capfd, bundle, "--out", out, "--record", tmp_path / name)
        assert (code, err.count("\n")) == (3, 1), err
        assert said in err
        assert not out.exists()
    twice = [*records(GIVEN[:1]), *records(GIVEN[:1])]
    code, _, err = qualify(capfd, bundle, "--out", out, *twice)
    assert code == 3 and "two records have this name" in err
