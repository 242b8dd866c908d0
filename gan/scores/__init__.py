"""How far synthetic scans are from real ones: features → distances → scores, and the checks beside them."""
