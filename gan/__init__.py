"""The translator: a CycleGAN, its training, its synthetic scans and their scores."""
