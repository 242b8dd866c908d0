"""A data set of torch: what an item is, and what a loader makes of it."""

import numpy as np
import torch
from bus import ScanDataset
from torch.utils.data import DataLoader

PIXELS = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4)
LABELS = np.array([0, 1, 1, 2, 1])


def test_an_item_is_a_scan_between_0_and_1_with_its_class() -> None:
    data = ScanDataset(PIXELS, LABELS, ["a", "b", "c"], real=4)
    scan, label = data[3]
    assert scan.shape == (1, 4, 4) and scan.dtype == torch.float32 and label == 2
    assert torch.equal((scan[0] * 255).round().to(torch.uint8), torch.from_numpy(PIXELS[3]))
    assert data.counts == {"a": 1, "b": 3, "c": 1} and repr(data).endswith("4 real, 1 added")


def test_a_loader_stacks_items_and_ends() -> None:
    batches = list(DataLoader(ScanDataset(PIXELS, LABELS, ["a", "b", "c"], real=5), batch_size=2))
    assert [len(labels) for _, labels in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([labels for _, labels in batches]), torch.from_numpy(LABELS))


def test_a_transform_sees_each_scan() -> None:
    data = ScanDataset(PIXELS, LABELS, ["a", "b", "c"], real=5, transform=lambda scan: 1 - scan)
    assert torch.allclose(data[0][0], 1 - torch.from_numpy(PIXELS[:1]) / 255)
