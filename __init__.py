"""Balance a breast-ultrasound data set with a CycleGAN and measure what that does to three classifiers.

Research use only: nothing here is a medical device.
"""

__version__ = "0.1.0"
