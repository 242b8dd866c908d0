"""Simulated breast-ultrasound scans with lesions that are known to the pixel: anatomy, lesion, imaging physics."""

from .simulation import *  # noqa: F403
