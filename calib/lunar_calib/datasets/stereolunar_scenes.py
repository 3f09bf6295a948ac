"""StereoLunar's file layout: what lies where, and which frames are a pair.

A scene is a folder of frames `im_N.*`; even N is a left view, the following odd N its right view,
and further pairs show the same two views under other suns:

    im_N.png | im_N.jpg   8-bit grey, or three equal channels
    im_N.npz              intrinsics (3, 3), cam2world (4, 4), metres, OpenCV axes, pixel
                          centres at +0.5; `depth_m` (H, W) float32 too where depth is not EXR
    im_N.exr              channel Y: Z-depth in metres, half (published) or float32 (ours)

The published frames' poses are Moon-centred (coordinates near 1.7e6 m, float32, hence rounded to
0.1 m) and their depth is half float: steps of 8 to 32 m, inf beyond 65 504 m, read as NaN. Ours
are target-centred float64. Only differences of poses matter to users of pairs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lunar_runtime.errors import InputError

_STEM = re.compile(r"im_(\d+)\Z")
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Scene:
    """A folder of frames.

    Attributes:
        folder: Where they are.
        numbers: Frame numbers, ascending, (even, odd) pairs one after the other.
        stems: Path without suffix of every frame, in that order.
    """

    folder: Path
    numbers: tuple[int, ...]
    stems: tuple[Path, ...]

    @property
    def pairs(self) -> tuple[tuple[Path, Path], ...]:
        """Stems of the (left, right) frames, one pair for each sun."""
        return tuple(zip(self.stems[0::2], self.stems[1::2], strict=True))

    @property
    def label(self) -> str:
        """Family and folder of a published scene, as in `Nadir_paire2`."""
        folder = self.folder.absolute()
        return f"{folder.parent.name.split('_')[0]}_{folder.name}"

    def smooth_depth_file(self, side: str = "L") -> Path:
        """Where a better depth of a published scene may lie: `depth_m` of the left or right view.

        StereoLunar's own is half-float, in steps of 8 to 32 m that spoil slopes. The file lies
        beside StereoLunar's folder, in `stereolunar_depth/`.
        """
        beside = self.folder.absolute().parent.parent.parent
        return beside / "stereolunar_depth" / f"{self.label}_{side}.npz"


def find_frames(root: Path) -> dict[Path, list[tuple[int, Path]]]:
    """Number and stem of every frame in a folder and below it, by the folder that it lies in.

    Raises:
        InputError: `root` is no folder, or holds no frame.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give one with StereoLunar's im_N.npz files")
    folders: dict[Path, list[tuple[int, Path]]] = {}
    for path in sorted(root.rglob("im_*.npz")):
        match = _STEM.match(path.stem)
        if match:
            folders.setdefault(path.parent, []).append((int(match[1]), path.with_suffix("")))
    if not folders:
        raise InputError(f"{root}: no im_N.npz in it or below; is this StereoLunar's layout?")
    return folders


def find_scenes(root: Path | str) -> list[Scene]:
    """All scenes in a folder and below it, sorted by path.

    Raises:
        InputError: `root` is no folder, holds no frame, or a scene lacks the partner of a frame.
    """
    scenes, alone = find_whole_scenes(root)
    if alone:
        raise InputError(alone[0])
    return scenes


def find_whole_scenes(root: Path | str) -> tuple[list[Scene], list[str]]:
    """All scenes as `find_scenes`, without the frames that have no partner.

    Returns:
        The scenes; and a line about each frame that was left out.

    Raises:
        InputError: `root` is no folder, or holds no frame.
    """
    scenes: list[Scene] = []
    alone: list[str] = []
    for folder, found in sorted(find_frames(Path(root)).items()):
        frames = dict(found)
        alone += [
            f"{frames[number]}.npz: its partner im_{number ^ 1} is missing; copy the scene again "
            "(even frames are left, odd ones right)"
            for number in sorted(frames)
            if number ^ 1 not in frames
        ]
        numbers = sorted(number for number in frames if number ^ 1 in frames)
        if numbers:
            scenes.append(Scene(folder, tuple(numbers), tuple(frames[n] for n in numbers)))
    return scenes, alone


def image_of(stem: Path | str) -> Path:
    """The image file of one frame.

    Raises:
        InputError: There is none.
    """
    candidates = [with_suffix(Path(stem), suffix) for suffix in _IMAGE_SUFFIXES]
    found = next((c for c in candidates if c.exists()), None)
    if found is None:
        raise InputError(f"{candidates[0]}: no such file, nor .jpg; every im_N.npz needs its image")
    return found


def with_suffix(stem: Path, suffix: str) -> Path:
    """A file of a frame; `Path.with_suffix` would cut a stem with a dot."""
    return stem.with_name(stem.name + suffix)
