"""Balance a breast-ultrasound data set with a CycleGAN and measure what that does to three classifiers.

Research use only: nothing here is a medical device.
"""

import os

# Torch reads this at its first tensor. Large tensors then lie in huge pages where the system offers them (Linux): the
# system clears a page each time a step takes it, and 2 MB at once are cleared faster than 512 pieces. No result changes.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

__version__ = "0.1.0"
