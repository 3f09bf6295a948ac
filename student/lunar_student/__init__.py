"""The network family, in PyTorch: what is traced and what is trained."""

from lunar_student.checkpoint import load_checkpoint, read_state_dict, save_checkpoint
from lunar_student.config import FAMILY, StudentConfig
from lunar_student.network import Student, StudentOutput, build_student

__all__ = [
    "FAMILY",
    "Student",
    "StudentConfig",
    "StudentOutput",
    "build_student",
    "load_checkpoint",
    "read_state_dict",
    "save_checkpoint",
]
