"""`lunar-sign`: who made a bundle, and whose bundles a machine takes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from lunar_runtime.commands import options
from lunar_runtime.commands.command_line import echo, run_command

NAME = "lunar-sign"

_PASSPHRASE = click.option(
    "--passphrase-file",
    type=options.FILE,
    help="A file whose first line encrypts the private key.",
)


@click.group(context_settings=options.CONTEXT)
@options.version(NAME)
def command() -> None:
    """Sign bundles, and say whose bundles a machine takes.

    A signature is over the manifest, and through its digests over every byte of the bundle.
    """


@command.command(context_settings=options.CONTEXT)
@click.argument("name")
@click.option(
    "--out", type=options.PATH, default=Path(), help="Folder of both files.  [default: this one]"
)
@click.option("--comment", default="", help="For people, in the trust file.")
@click.option(
    "--expires",
    type=click.DateTime(),
    help="From then on the key counts no more, UTC.  [default: never]",
)
@_PASSPHRASE
def generate(
    name: str, out: Path, comment: str, expires: datetime | None, passphrase_file: Path | None
) -> None:
    """Make a key: NAME.key to sign with, and NAME.json, the trust file for those who verify.

    Keep NAME.key where no bundle goes. It is PKCS#8 in PEM, readable by its owner alone.

    Exit codes: 0 done, 2 wrong usage, 3 a file is there already or cannot be written, 4 the package
    cryptography is missing.
    """
    from lunar_runtime.bundles.signing import make_key

    key = make_key(name, out, comment=comment, expires=expires, passphrase_file=passphrase_file)
    echo(f"key    {key.id} of {key.name}")
    echo(f"files  {out / name}.key, {out / name}.json")


@command.command(context_settings=options.CONTEXT)
@click.argument("bundle", type=options.PATH)
@click.option("--key", type=options.FILE, required=True, help="The private key.")
@click.option("--comment", default="", help="For people; it is signed too.")
@_PASSPHRASE
def sign(bundle: Path, key: Path, comment: str, passphrase_file: Path | None) -> None:
    """Add a signature to BUNDLE, whose every file is verified first.

    Another signature of the same key is replaced; those of other keys stay.

    Exit codes: 0 done, 2 wrong usage, 3 unusable bundle or key, 4 the package cryptography is
    missing.
    """
    from lunar_runtime.bundles.signing import sign_bundle

    signature = sign_bundle(bundle, key, comment=comment, passphrase_file=passphrase_file)
    echo(f"signed {bundle} with key {signature.key}")


@command.command("list", context_settings=options.CONTEXT)
@click.argument("bundle", type=options.PATH)
@options.json_output("the signatures")
def list_signatures(bundle: Path, as_json: bool) -> None:
    """Tell which keys signed BUNDLE, without asking whether they are trusted.

    Exit codes: 0 done, 2 wrong usage, 3 unusable bundle.
    """
    import msgspec

    from lunar_runtime.bundles.bundle import Bundle
    from lunar_runtime.bundles.signatures import read_signatures

    Bundle.open(bundle)
    signatures = read_signatures(bundle)
    if as_json:
        click.echo(msgspec.json.encode(signatures).decode())
        return
    for each in signatures:
        echo(f"{each.key}  {each.signed:%Y-%m-%d %H:%M:%S}  {each.comment}".rstrip())
    if not signatures:
        echo("not signed")


@command.command(context_settings=options.CONTEXT)
@click.argument("bundle", type=options.PATH)
@click.option(
    "--trust",
    type=options.PATH,
    required=True,
    envvar="LUNAR_TRUST",
    show_envvar=True,
    metavar="FILE|FOLDER",
    help="Whose signatures count: a trust file, or a folder of them.",
)
def verify(bundle: Path, trust: Path) -> None:
    """Verify every byte of BUNDLE, its signatures, and the rules of the trust file.

    Exit codes: 0 trusted, 2 wrong usage, 3 not trusted, or unusable, 4 the package cryptography is
    missing.
    """
    from lunar_runtime.bundles.bundle import Bundle

    opened = Bundle.open(bundle, trust=trust, require_signature=True)
    for part in opened.parts:
        part.model()
    made = opened.manifest.created
    echo(f"trusted: signed by {', '.join(opened.signed.signers)}")
    echo(f"bundle   {opened.manifest.student.id} of {made:%Y-%m-%d %H:%M:%S}, {opened.digest}")


@command.command(context_settings=options.CONTEXT)
@click.argument("trust_file", type=options.FILE)
@click.argument("bundle", type=options.PATH)
def require(trust_file: Path, bundle: Path) -> None:
    """From now on TRUST_FILE demands, of BUNDLE's student, one that is not older than BUNDLE.

    BUNDLE must be trusted by TRUST_FILE.

    Exit codes: 0 done, 2 wrong usage, 3 unusable bundle or trust file, or not trusted, 4 the
    package cryptography is missing.
    """
    from lunar_runtime.bundles.signing import require_newer

    student, oldest = require_newer(trust_file, bundle)
    echo(f"{trust_file}: {student} of {oldest:%Y-%m-%d %H:%M:%S} or newer")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)
