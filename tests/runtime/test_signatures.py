"""Signed bundles: whose signature counts, what it covers, and which bundles are too old."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from lunar_runtime import StereoRuntime
from lunar_runtime.bundles.bundle import Bundle, write_bundle
from lunar_runtime.bundles.manifest import Manifest
from lunar_runtime.bundles.signatures import encode_signatures, read_signatures
from lunar_runtime.bundles.trust import Signed, TrustFile, TrustStore, judge
from lunar_runtime.bundles.verified_files import read_manifest
from lunar_runtime.commands.sign import main
from lunar_runtime.errors import BundleError, InputError, UsageError

from .outcomes import Outcome, run_main
from .spoilt_calls import Call, sealed
from .test_verified_files import flat_bundle

signing = pytest.importorskip("lunar_runtime.bundles.signing")
pytest.importorskip("cryptography", reason="the extra [sign] is not installed")

MADE = datetime(2025, 1, 1, tzinfo=timezone.utc)  # when the plane's bundle says that it was


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Two keys, `flight` and `quality`."""
    folder = tmp_path / "keys"
    for name in ("flight", "quality"):
        signing.make_key(name, folder)
    return folder


@pytest.fixture
def trust(keys: Path) -> Path:
    """A trust file with `flight` alone."""
    return keys / "flight.json"


@pytest.fixture
def signed(bundle: Path, keys: Path) -> Path:
    signing.sign_bundle(bundle, keys / "flight.key", comment="build 12")
    return bundle


@pytest.fixture
def sign(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    def run(*arguments: object) -> Outcome:
        return run_main(main, arguments, capfd)

    return run


def rule(trust: Path, **rules: object) -> Path:
    """A trust file with further rules."""
    fields = json.loads(trust.read_text()) | msgspec.to_builtins(rules)
    trust.write_text(json.dumps(fields))
    return trust


def test_a_signed_bundle_is_trusted_and_says_by_whom(signed: Path, trust: Path) -> None:
    assert Bundle.open(signed, trust=trust).signed == Signed("trusted", ("flight",))
    assert Bundle.open(signed).signed == Signed("not checked")
    with StereoRuntime.load(signed, "onnxruntime", device="cpu", trust=trust) as runtime:
        assert runtime.model.signed.state == "trusted"


def test_an_unsigned_bundle_is_usable_and_says_so(bundle: Path, trust: Path) -> None:
    assert Bundle.open(bundle).signed == Signed("unsigned")
    with pytest.raises(BundleError, match=r"signed by 0 of the 1 that .* \(no signatures\.json\)"):
        Bundle.open(bundle, trust=trust)
    allowed = Bundle.open(bundle, trust=trust, require_signature=False)
    assert allowed.signed.state == "unsigned"
    assert len(allowed.doubts) == 1


def test_another_world_is_refused_under_a_trust_store(
    signed: Path, trust: Path, tmp_path: Path
) -> None:
    """Model, golden pair and manifest rewritten together: every checksum is right."""
    flat = flat_bundle(tmp_path / "flat")
    Bundle.open(flat).golden()
    with pytest.raises(BundleError, match="signed by 0 of the 1"):
        Bundle.open(flat, trust=trust)
    shutil.copy(signed / "signatures.json", flat)
    with pytest.raises(BundleError, match=r"the signature of flight is not for this manifest"):
        Bundle.open(flat, trust=trust)
    with pytest.raises(BundleError, match=r"the signature of flight is not for this manifest"):
        Bundle.open(flat, trust=trust, require_signature=False)


def test_another_world_signed_by_a_stranger_is_refused(
    keys: Path, trust: Path, tmp_path: Path
) -> None:
    flat = flat_bundle(tmp_path / "flat")
    signing.sign_bundle(flat, keys / "quality.key", comment="trust me")
    with pytest.raises(BundleError, match=r"signed by 0 of the 1 .*key [0-9a-f]{32} is unknown"):
        Bundle.open(flat, trust=trust)


@pytest.mark.parametrize("place", ["gate", "created", "golden/tolerances/pointmap_left"])
def test_a_signature_covers_every_field(signed: Path, trust: Path, place: str) -> None:
    """Fields that no other check can know to be false."""
    fields = record = json.loads((signed / "manifest.json").read_text())
    *parents, last = place.split("/")
    for parent in parents:
        record = record[parent]
    record[last] = {"gate": "failed", "created": "2025-01-01T00:00:01Z"}.get(last, 1.0)
    (signed / "manifest.json").write_bytes(sealed(fields))
    Bundle.open(signed)
    with pytest.raises(BundleError, match=r"the signature of flight is not for this manifest"):
        Bundle.open(signed, trust=trust)


@pytest.mark.parametrize("field", ["comment", "signed", "signature"])
def test_comment_and_time_of_a_signature_are_signed_too(
    signed: Path, trust: Path, field: str
) -> None:
    (one,) = read_signatures(signed)
    other = {
        "comment": "build 13",
        "signed": one.signed + timedelta(seconds=1),
        "signature": "0" * 128,
    }
    false = msgspec.structs.replace(one, **{field: other[field]})
    (signed / "signatures.json").write_bytes(encode_signatures((false,)))
    with pytest.raises(BundleError, match="the signature of flight is not for"):
        Bundle.open(signed, trust=trust)


def test_every_change_of_the_signatures_file_is_seen_without_any_key(signed: Path) -> None:
    path = signed / "signatures.json"
    good = path.read_bytes()
    for place in range(len(good)):
        edited = bytearray(good)
        edited[place] ^= 1 << place % 8
        for content in (bytes(edited), good[:place]):
            path.write_bytes(content)
            with pytest.raises(BundleError, match=r"signatures\.json: "):
                read_signatures(signed)


def test_two_signers_can_be_demanded(signed: Path, keys: Path) -> None:
    """A folder of trust files counts as one, with the strictest rules."""
    rule(keys / "quality.json", required_signatures=2)
    with pytest.raises(BundleError, match="signed by 1 of the 2 that"):
        Bundle.open(signed, trust=keys)
    signing.sign_bundle(signed, keys / "quality.key")
    assert set(Bundle.open(signed, trust=keys).signed.signers) == {"flight", "quality"}
    assert len(read_signatures(signed)) == 2
    signing.sign_bundle(signed, keys / "quality.key", comment="again")
    assert len(read_signatures(signed)) == 2


def test_an_older_bundle_of_the_same_student_is_refused(
    signed: Path, keys: Path, trust: Path, tmp_path: Path, make_manifest: Callable[..., Manifest]
) -> None:
    newer = write_bundle(
        tmp_path / "newer",
        make_manifest("both", created=MADE + timedelta(days=1)),
        {name: signed / name for name in ("model.onnx", "golden.npz")},
    )
    signing.sign_bundle(newer.path, keys / "flight.key")
    assert Bundle.open(signed, trust=trust).signed.state == "trusted"
    assert signing.require_newer(trust, newer.path) == ("plane", MADE + timedelta(days=1))
    assert Bundle.open(newer.path, trust=trust).signed.state == "trusted"
    for required in (None, False):
        with pytest.raises(BundleError, match=r"plane of 2025-01-01 .* is older than the one of"):
            Bundle.open(signed, trust=trust, require_signature=required)
    with pytest.raises(BundleError, match="is older than the one of"):
        signing.require_newer(trust, signed)  # no step back by this way either


def test_keys_expire_and_bundles_grow_old(signed: Path, trust: Path) -> None:
    def at(days: float, **rules: object) -> Signed:
        store = TrustStore.read(rule(trust, **rules))
        opened = Bundle.open(signed)
        return judge(
            store,
            read_manifest(signed),
            opened.manifest,
            read_signatures(signed),
            signed,
            now=MADE + timedelta(days=days),
        )

    key = json.loads(trust.read_text())["keys"][0]
    expiring = {"keys": [{**key, "expires": (MADE + timedelta(days=10)).isoformat()}]}
    assert at(9, **expiring).state == "trusted"
    with pytest.raises(BundleError, match="the key of flight expired on 2025-01-11"):
        at(10, **expiring)
    with pytest.raises(BundleError, match="is younger than this machine's clock"):
        at(-1, **expiring)
    assert at(5, keys=[key], max_age_days=5).state == "trusted"
    with pytest.raises(BundleError, match="is older than the 5 days"):
        at(5.1, max_age_days=5)


def test_a_trust_store_merges_to_the_strictest(trust: Path) -> None:
    file = TrustFile(keys=TrustStore.read(trust).rules.keys, not_before={"S0": MADE})
    key = next(iter(TrustStore.read(trust).keys.values()))
    expiring = msgspec.structs.replace(key, expires=MADE)
    later = TrustFile(not_before={"S0": MADE + timedelta(days=1)}, max_age_days=9)
    store = TrustStore.merge("both", [file, later, TrustFile(keys=(key, expiring), max_age_days=7)])
    assert store.rules.not_before == {"S0": MADE + timedelta(days=1)}
    assert store.rules.max_age_days == 7
    assert store.keys[key.id].expires == MADE


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{}", "no key in it"),
        (b"[" * 100_000, "not a trust file: values are nested deeper"),
        (b'{"keys": [], "keys": []}', "the key 'keys' comes twice"),
        (b'{"keys": [{"name": "a", "public_key": "abc"}]}', "not a trust file: .*regex"),
        (b'{"required_signatures": 0}', "not a trust file"),
        (b"\xff", "not a trust file: byte 0 is not UTF-8"),
    ],
)
def test_a_trust_file_that_cannot_be_used_is_refused(
    bundle: Path, tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "trust.json").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        Bundle.open(bundle, trust=tmp_path / "trust.json")


def test_to_demand_a_signature_without_naming_anybody_is_wrong_usage(bundle: Path) -> None:
    with pytest.raises(UsageError, match="`require_signature` needs `trust`"):
        Bundle.open(bundle, require_signature=True)
    with pytest.raises(UsageError, match="`trust` is for a bundle's folder"):
        StereoRuntime.load(Bundle.open(bundle), trust="anything")


@pytest.mark.parametrize("public", ["00" * 32, "01" + "00" * 31, "ed" + "ff" * 31])
def test_a_key_that_everybody_can_sign_for_is_refused(
    bundle: Path, tmp_path: Path, public: str
) -> None:
    """Points of small order: OpenSSL verifies a signature of zeros for them."""
    trust = tmp_path / "trust.json"
    trust.write_text(json.dumps({"keys": [{"name": "anybody", "public_key": public}]}))
    with pytest.raises(InputError, match="everybody can sign for the key of anybody"):
        Bundle.open(bundle, trust=trust)


# The commands.


def test_the_report_and_the_summary_name_the_signers(
    call: Call, infer: Callable[..., Outcome], keys: Path, trust: Path
) -> None:
    signing.sign_bundle(call.bundle, keys / "flight.key")
    out = call.folder / "o"
    outcome = infer(*call.plus("--trust", trust, "--out", out, "--json"))
    assert outcome.code == 0, outcome.err
    model = json.loads(outcome.out)["model"]
    assert (model["signed"], model["signers"]) == ("trusted", ["flight"])
    outcome = infer(*call.plus("--trust", trust, "--out", out, "--overwrite"))
    assert "signed the bundle, by flight\n" in outcome.out
    outcome = infer(*call.plus("--out", out, "--overwrite"))
    assert "signed" not in outcome.out
    assert json.loads((out / "report.json").read_text())["model"]["signed"] == "not checked"


def test_an_unsigned_bundle_is_refused_or_used_and_said(
    call: Call, infer: Callable[..., Outcome], trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = call.folder / "o"
    outcome = infer(*call.plus("--trust", trust, "--out", out))
    assert (outcome.code, outcome.err.count("\n")) == (3, 1)
    assert "signed by 0 of the 1" in outcome.err
    outcome = infer(*call.plus("--require-signature", "--out", out))
    assert outcome.code == 2
    assert "--require-signature needs --trust" in outcome.err
    monkeypatch.setenv("LUNAR_TRUST", str(trust))
    assert infer(*call.plus("--require-signature", "--out", out)).code == 3
    outcome = infer(*call.plus("--allow-unsigned", "--out", out))
    assert outcome.code == 0
    assert "warning: " in outcome.err
    warnings = json.loads((out / "report.json").read_text())["warnings"]
    assert any("bundle: signed by 0 of the 1" in warning for warning in warnings)


def test_a_bundle_goes_from_key_to_verified(
    sign: Callable[..., Outcome], bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "k"
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    made = sign("generate", "lab", "--out", folder, "--passphrase-file", secret,
                "--expires", "2999-01-01")  # fmt: skip
    assert made.code == 0, made.err
    assert (folder / "lab.key").stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in (folder / "lab.key").read_bytes()
    assert sign("list", bundle).out == "not signed\n"
    without = sign("sign", bundle, "--key", folder / "lab.key")
    assert (without.code, without.err.count("\n")) == (3, 1)
    assert "needs --passphrase-file" in without.err
    key = ["--key", folder / "lab.key", "--passphrase-file", secret]
    assert sign("sign", bundle, *key, "--comment", "build 12").code == 0
    assert sign("list", bundle).out.endswith("  build 12\n")
    assert json.loads(sign("list", bundle, "--json").out)[0]["comment"] == "build 12"
    verified = sign("verify", bundle, "--trust", folder)
    assert verified.out.startswith("trusted: signed by lab\n")
    assert sign("require", folder / "lab.json", bundle).code == 0
    assert json.loads((folder / "lab.json").read_text())["not_before"] == {
        "plane": "2025-01-01T00:00:00Z"
    }
    assert sign("verify", bundle, "--trust", folder).code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["generate", "../x"], 2, "name the key with letters"),
        (["generate", "flight", "--out", "keys"], 3, "exists already"),
        (["sign", "bundle", "--key", "keys/flight.json"], 3, "not a private key"),
        (["sign", "bundle", "--key", "none.key"], 3, "no such file"),
        (["sign", "bundle", "--key", "keys/flight.key", "--comment", "a\x1b[2J"], 2, "one line"),
        (["sign", "none", "--key", "keys/flight.key"], 3, "no such bundle"),
        (["verify", "bundle", "--trust", "keys"], 3, "signed by 0 of the 1"),
        (["verify", "bundle"], 2, "--trust"),
        (["require", "keys/flight.json", "bundle"], 3, "signed by 0 of the 1"),
    ],
)
def test_what_lunar_sign_cannot_do_is_one_line(
    sign: Callable[..., Outcome],
    bundle: Path,
    keys: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = sign(*arguments)
    assert (outcome.code, outcome.err.count("\n")) == (code, 1), outcome.err
    assert reason in outcome.err
    assert not (bundle / "signatures.json").exists()


def test_a_bundle_whose_manifest_is_false_is_not_signed(
    bundle: Path, keys: Path, tmp_path: Path, make_manifest: Callable[..., Manifest]
) -> None:
    graph = msgspec.structs.replace(make_manifest("both").graph, opset=17)
    files = {name: bundle / name for name in ("model.onnx", "golden.npz")}
    false = write_bundle(tmp_path / "false", make_manifest("both", graph=graph), files)
    with pytest.raises(BundleError, match="of opset 18, not 17"):
        signing.sign_bundle(false.path, keys / "flight.key")
