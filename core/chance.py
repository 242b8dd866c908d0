"""Random numbers that differ from fold to fold: what is drawn depends on the fold as well as on the seed."""

APART = 1_000_000  # between the numbers of two folds; seeds below it never meet


def stream(seed: int, fold: int) -> int:
    """The number from which a training of this fold and seed draws; that of fold 0 is the seed itself."""
    return seed + APART * fold
