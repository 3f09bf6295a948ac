"""A campaign of edits, each through lunar-infer's own code in this process."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import cv2
import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import rendered_pairs
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.bundles.manifest import ENGINES_NAME
from lunar_runtime.commands.infer import main
from lunar_runtime.errors import BundleError

from lunar_bench.edits.edit import draw_edit, every_bit, every_truncation
from lunar_bench.record.machine import Machine
from lunar_bench.sensors.machine import describe_machine

REFUSED = "refused"
_SIDE_PX, _PAIR_SEED = 256, 9000  # an ordinary pair, which an edited bundle must not reach


class Unnoticed(msgspec.Struct, frozen=True, kw_only=True):
    """An edit that was not refused as it must be.

    Attributes:
        number: Of the edit, from 0.
        file: Of the bundle.
        kind: Of the edit.
        place: First byte that differs.
        outcome: `accepted`, an exit code, or what was raised.
        said: On stderr.
    """

    number: int
    file: str
    kind: str
    place: int
    outcome: str
    said: str


class EditsResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the edits.

    Attributes:
        bundle_digest: SHA-256 of the manifest of the bundle that was edited.
        seed: Of the edits.
        edits: How many were drawn.
        counts: File -> kind of edit -> outcome -> edits. `refused` is exit 3 with one line on
            stderr, and nothing written.
        every_bit: Outcome -> bits of the manifest, each turned over alone; empty if not asked for.
        every_cut: Outcome -> lengths that the manifest was cut to; empty if not asked for.
        unnoticed: Every edit that was not refused.
        machine: Where.
    """

    bundle_digest: str
    seed: int
    edits: int
    counts: dict[str, dict[str, dict[str, int]]]
    every_bit: dict[str, int]
    every_cut: dict[str, int]
    unnoticed: list[Unnoticed]
    machine: Machine

    @property
    def holds(self) -> bool:
        """Whether every edit was refused."""
        exhaustive = {**self.every_bit, **self.every_cut}
        return not self.unnoticed and not set(exhaustive) - {REFUSED}


def measure_edits(
    bundle: Path | None,
    edits: int,
    seed: int,
    *,
    exhaustive: bool = False,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> EditsResult:
    """Edit copies of a bundle, and run lunar-infer on each.

    Args:
        bundle: Its folder; None is the one in the package.
        edits: How many.
        seed: Of their kinds and places. The files take turns.
        exhaustive: Also turn over every bit of the manifest, and cut it to every length.
        tell: Given how many edits are done, and of how many.

    Raises:
        BundleError: The bundle cannot be used as it is.
    """
    source = default_bundle_path() if bundle is None else bundle
    opened = Bundle.open(source)
    machine = describe_machine()
    rng = np.random.default_rng(seed)
    counts: dict[str, dict[str, Counter[str]]] = {}
    unnoticed = []
    with tempfile.TemporaryDirectory(prefix="lunar-bench-edits-") as work:
        trial = _Trial(source, Path(work))
        if trial.outcome()[0] != "accepted":
            raise BundleError(f"{source}: lunar-infer refuses it as it is; give a good bundle")
        names = sorted(trial.originals)
        for number in range(edits):
            name = names[number % len(names)]
            edit = draw_edit(trial.originals[name], rng)
            outcome, said = trial.run(name, edit.content)
            kinds = counts.setdefault(name, {})
            kinds.setdefault(edit.kind, Counter())[outcome] += 1
            if outcome != REFUSED:
                unnoticed.append(
                    Unnoticed(
                        number=number,
                        file=name,
                        kind=edit.kind,
                        place=edit.place,
                        outcome=outcome,
                        said=said,
                    )
                )
            tell(number + 1, edits)
        manifest = trial.originals["manifest.json"]
        by_bit = trial.count("manifest.json", every_bit(manifest) if exhaustive else ())
        by_cut = trial.count("manifest.json", every_truncation(manifest) if exhaustive else ())
    return EditsResult(
        bundle_digest=opened.digest,
        seed=seed,
        edits=edits,
        counts={
            name: {kind: dict(found) for kind, found in sorted(kinds.items())}
            for name, kinds in sorted(counts.items())
        },
        every_bit=by_bit,
        every_cut=by_cut,
        unnoticed=unnoticed,
        machine=machine,
    )


class _Trial:
    """A copy of a bundle whose files are edited one at a time, and a pair to run on it.

    Attributes:
        originals: Content of the files as they were, by name.
    """

    def __init__(self, source: Path, work: Path) -> None:
        self._bundle, self._out = work / "bundle", work / "out"
        shutil.copytree(source, self._bundle, ignore=shutil.ignore_patterns(ENGINES_NAME))
        files = [path for path in self._bundle.rglob("*") if path.is_file()]
        self.originals = {
            path.relative_to(self._bundle).as_posix(): path.read_bytes() for path in files
        }
        pair = next(rendered_pairs(1, _SIDE_PX, _PAIR_SEED))
        self._images = [work / "left.png", work / "right.png"]
        for path, image in zip(self._images, (pair.left, pair.right), strict=True):
            cv2.imwrite(str(path), image)

    def run(self, name: str, content: bytes) -> tuple[str, str]:
        """Run with another content of one file, and put the old one back."""
        path = self._bundle / name
        path.write_bytes(content)
        try:
            return self.outcome()
        finally:
            path.write_bytes(self.originals[name])

    def count(self, name: str, contents: Iterable[bytes]) -> dict[str, int]:
        """Outcomes of many contents of one file."""
        return dict(Counter(self.run(name, content)[0] for content in contents))

    def outcome(self) -> tuple[str, str]:
        """How lunar-infer ends now, and what it says on stderr."""
        arguments = [*self._images, "--bundle", self._bundle, "--out", self._out]
        said = io.StringIO()
        code: object = None
        try:
            with redirect_stderr(said), redirect_stdout(io.StringIO()):
                main([*map(str, arguments), "--refine", "off", "--threads", "1"])
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return f"raised {type(error).__name__}", said.getvalue()
        written = self._out.exists()
        shutil.rmtree(self._out, ignore_errors=True)
        if code == BundleError.exit_code and said.getvalue().count("\n") == 1 and not written:
            return REFUSED, said.getvalue()
        return ("accepted" if code == 0 else f"exit {code}"), said.getvalue()
