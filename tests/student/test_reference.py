"""Against the official code: keys, counts, outputs."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from lunar_student import FAMILY, Student, StudentOutput, build_student
from student.conftest import Filled, Published, Reference

PARAMETERS = {
    "S1": 135_712_440,
    "S2": 154_935_944,
    "S3": 94_906_760,
    "S4": 138_464_840,
    "teacher": 688_638_856,
}


def on_meta(name: str) -> Student:
    with torch.device("meta"):
        return build_student(name)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_count_is_the_published_one(name: str) -> None:
    assert sum(p.numel() for p in on_meta(name).parameters()) == PARAMETERS[name]


def test_s0_is_small() -> None:
    assert sum(p.numel() for p in on_meta("S0").parameters()) <= 10_000_000


@pytest.mark.parametrize("name", PARAMETERS)
def test_keys_and_shapes_are_those_of_the_official_checkpoints(
    name: str, reference: Reference
) -> None:
    want = {key: tuple(shape) for key, shape in reference(name)["state_dict"].items()}
    assert {key: tuple(v.shape) for key, v in on_meta(name).state_dict().items()} == want
    assert reference(name)["parameters"] == PARAMETERS[name]


def test_unknown_student_is_refused_with_the_list_of_those_known() -> None:
    with pytest.raises(KeyError, match="no student 'S9'; known are S0, S1, S2, S3, S4, teacher"):
        build_student("S9")


@pytest.mark.parametrize(
    "name", ["S1", "S2", "S4", pytest.param("teacher", marks=pytest.mark.slow)]
)
def test_outputs_agree_with_the_official_code(
    name: str, filled: Filled, published: Published, rule: ModuleType
) -> None:
    student = filled(name)
    left, right = (torch.from_numpy(image)[None] for image in rule.reference_pair(512))
    with torch.inference_mode():
        got = student(left, right)
    fine, coarse = (slice(None), slice(None, None, 8), slice(None, None, 8)), np.s_[:, ::32, ::32]
    actual = {
        "pts3d_1": got.pointmap_left[fine],
        "pts3d_2": got.pointmap_right[fine],
        "conf_1": got.confidence_left[fine],
        "conf_2": got.confidence_right[fine],
        "desc_1": got.descriptors_left[coarse],
        "desc_conf_1": got.descriptor_confidence_left[coarse],
    }
    want = published(name)
    assert set(want) == set(actual)
    for key, expected in want.items():
        error = np.abs(actual[key].numpy().reshape(expected.shape) - expected).mean()
        # The reference's own bound; what is measured is 5e-6, rounding through the exponential.
        assert error <= 1e-3 * np.abs(expected).mean(), key


def test_s3_gives_every_output_in_its_shape(filled: Filled) -> None:
    student = filled("S3")
    pair = torch.zeros(2, 1, 3, 64, 96).uniform_(-1, 1)
    with torch.inference_mode():
        outputs: StudentOutput = student(*pair)
    for view in ("left", "right"):
        assert getattr(outputs, f"pointmap_{view}").shape == (1, 64, 96, 3)
        assert getattr(outputs, f"confidence_{view}").shape == (1, 64, 96)
        assert getattr(outputs, f"descriptors_{view}").shape == (1, 64, 96, 24)
        assert getattr(outputs, f"descriptor_confidence_{view}").shape == (1, 64, 96)
    assert all(torch.isfinite(value).all() for value in vars(outputs).values())


def test_every_member_is_in_the_family_under_its_own_name() -> None:
    assert all(name == config.id for name, config in FAMILY.items())
