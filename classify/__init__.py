"""The three classifiers: models, training, metrics."""
