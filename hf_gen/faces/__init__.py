"""Synthetic faces: ten known factors, an anime and a cartoon style, exact pairs.

Nothing here knows of training.
"""

from hf_gen.faces.dataset import IMAGE_SIZE, synthetic_faces, write_synthetic_faces
from hf_gen.faces.drawing import SIZES, STYLES, drawing_version, face_png, face_svg, style_of
from hf_gen.faces.factors import (
    CONTINUOUS,
    FACTORS,
    TEST_START,
    VALIDATION_START,
    Face,
    face_at,
)

__all__ = [
    "CONTINUOUS",
    "FACTORS",
    "IMAGE_SIZE",
    "SIZES",
    "STYLES",
    "TEST_START",
    "VALIDATION_START",
    "Face",
    "drawing_version",
    "face_at",
    "face_png",
    "face_svg",
    "style_of",
    "synthetic_faces",
    "write_synthetic_faces",
]
