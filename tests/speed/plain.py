"""What a user would run instead: plain float32 code, one pass a scan, files decoded when it is their turn.

Written from the papers, as most published code does it; also the oracle of tests/gan/test_published_step.py.
"""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from bus.core.lite import Normalise, efficientnet
from bus.gan.extractors import LITE0
from bus.gan.scores.features import EfficientNetLite
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch_fidelity.feature_extractor_base import FeatureExtractorBase
from torchvision import datasets, transforms


class PublishedStep:
    """One step of CycleGAN as Zhu et al. 2017 describe it: A is the source, B the target."""

    CYCLE, IDENTITY, POOL = 10.0, 5.0, 50

    def __init__(
        self, to_b: nn.Module, to_a: nn.Module, judge_b: nn.Module, judge_a: nn.Module, rate: float = 2e-4
    ) -> None:
        self.to_b, self.to_a, self.judge_b, self.judge_a = to_b, to_a, judge_b, judge_a
        both = itertools.chain(to_b.parameters(), to_a.parameters())
        judges = itertools.chain(judge_b.parameters(), judge_a.parameters())
        self.generators = torch.optim.Adam(both, lr=rate, betas=(0.5, 0.999))
        self.judges = torch.optim.Adam(judges, lr=rate, betas=(0.5, 0.999))
        self.pools: dict[str, list[Tensor]] = {"a": [], "b": []}

    def __call__(self, a: Tensor, b: Tensor) -> dict[str, float]:
        """Train on one batch of each side; returns the losses, named as `bus` names them."""
        for judge in (self.judge_a, self.judge_b):
            judge.requires_grad_(False)
        fake_b, fake_a = self.to_b(a), self.to_a(b)
        back_a, back_b = self.to_a(fake_b), self.to_b(fake_a)
        same_a, same_b = self.to_a(a), self.to_b(b)
        fooled = sum(
            (judge(fake) - 1).square().mean()
            for judge, fake in ((self.judge_b, fake_b), (self.judge_a, fake_a))
        )
        cycle = functional.l1_loss(back_a, a) + functional.l1_loss(back_b, b)
        identity = functional.l1_loss(same_a, a) + functional.l1_loss(same_b, b)
        total = fooled + self.CYCLE * cycle + self.IDENTITY * identity
        self.generators.zero_grad()
        total.backward()
        self.generators.step()
        self.judges.zero_grad()
        caught = 0.0
        for name, judge, real, fake in (("b", self.judge_b, b, fake_b), ("a", self.judge_a, a, fake_a)):
            judge.requires_grad_(True)
            shown = self.replay(self.pools[name], fake.detach())
            loss = 0.5 * ((judge(real) - 1).square().mean() + judge(shown).square().mean())
            loss.backward()
            caught += loss.item()
        self.judges.step()
        return {
            "generators": total.item(),
            "adversarial": fooled.item(),
            "cycle": cycle.item(),
            "identity": identity.item(),
            "discriminators": caught,
        }

    def replay(self, pool: list[Tensor], fresh: Tensor) -> Tensor:
        """Half of the time show an earlier synthetic scan and keep this one (Shrivastava et al. 2017)."""
        shown = []
        for scan in fresh.split(1):
            if len(pool) < self.POOL:
                pool.append(scan)
            elif random.random() < 0.5:
                place = random.randrange(self.POOL)
                scan, pool[place] = pool[place], scan
            shown.append(scan)
        return torch.cat(shown)


def scans_one_by_one(files: list[Path], size: int, batch: int) -> Iterator[Tensor]:
    """Batches without end (B×1×S×S in [-1, 1]); a scan is opened, decoded, shrunk and flipped in its turn."""
    prepare = transforms.Compose(
        [
            transforms.Resize((size, size)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(0.5, 0.5),
        ]
    )
    while True:
        order = random.sample(files, len(files))
        for start in range(0, len(order) - batch + 1, batch):
            yield torch.stack(
                [prepare(Image.open(file).convert("L")) for file in order[start : start + batch]]
            )


def labelled_batches(folder: Path, size: int, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches without end from class folders, decoded anew in every epoch, with the usual augmentations."""
    prepare = transforms.Compose(
        [
            transforms.Grayscale(),
            transforms.Resize((size, size)),
            transforms.RandomHorizontalFlip(),
            transforms.RandomAffine(10, translate=(0.04, 0.04), scale=(0.9, 1.1)),
            transforms.ColorJitter(0.15, 0.2),
            transforms.ToTensor(),
        ]
    )
    loader = torch.utils.data.DataLoader(
        datasets.ImageFolder(folder, prepare), batch_size=batch, shuffle=True, drop_last=True
    )
    while True:
        yield from loader


def stretched(files: Sequence[Path], size: int) -> Tensor:
    """Scans as `labelled_batches` has them, without the augmentations: N×1×S×S in [0, 1]."""
    prepare = transforms.Compose(
        [transforms.Grayscale(), transforms.Resize((size, size)), transforms.ToTensor()]
    )
    return torch.stack([prepare(Image.open(file)) for file in files])


def classifier_step(
    network: nn.Module, optimiser: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> float:
    """One training step in float32."""
    optimiser.zero_grad()
    loss = functional.cross_entropy(network(images), labels, label_smoothing=0.05)
    loss.backward()
    optimiser.step()
    return loss.item()


def first_batch(folder: Path, size: int, batch: int) -> Tensor:
    """Every scan of class folders decoded into memory, where a run would keep them; the first batch."""
    scans = stretched([Path(file) for file, _ in datasets.ImageFolder(folder).samples], size)
    return scans[torch.randperm(len(scans))[:batch]]


class PlainLite0(EfficientNetLite):
    """EfficientNet-Lite0 as its package has it, for torch-fidelity's own interface."""

    def __init__(self, name: str, features_list: list[str], **_: object) -> None:
        FeatureExtractorBase.__init__(self, name, features_list)  # without our network
        self.network, self.normalise = efficientnet(LITE0), Normalise()

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        sized = functional.interpolate(pixels.float(), (224, 224), mode="bilinear", antialias=True)
        return (self.network.extract_features(self.normalise(sized / 255)).mean((2, 3)),)


class Rgb(torch.utils.data.Dataset[Tensor]):
    """Grey scans (N×S×S uint8) as torch-fidelity wants them."""

    def __init__(self, scans: np.ndarray) -> None:
        self.scans = torch.from_numpy(scans)[:, None].expand(-1, 3, -1, -1)

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, row: int) -> Tensor:
        return self.scans[row]


def distances(first: np.ndarray, second: np.ndarray) -> Mapping[str, float]:
    """Fréchet and kernel distance by torch-fidelity's own interface."""
    import torch_fidelity
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

    if "plain-lite0" not in FEATURE_EXTRACTORS_REGISTRY:
        torch_fidelity.register_feature_extractor("plain-lite0", PlainLite0)
    return torch_fidelity.calculate_metrics(
        input1=Rgb(first),
        input2=Rgb(second),
        cuda=False,
        verbose=False,
        cache=False,
        save_cpu_ram=True,
        feature_extractor="plain-lite0",
        fid=True,
        kid=True,
        prc=True,
        kid_subset_size=min(len(first), len(second)),
        kid_subsets=10,
    )
