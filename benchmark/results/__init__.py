"""From the answers of the classifiers to tables, contrasts and verdicts."""
