"""Simulated breast-ultrasound scans whose lesions are known to the pixel: anatomy, lesion, physics."""

from .simulation import *  # noqa: F403
