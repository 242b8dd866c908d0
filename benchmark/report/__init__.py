"""From results to pages that a person reads."""
