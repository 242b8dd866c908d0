"""Scans: reading, simulating, grouping, splitting; the study folder."""
