"""One training step of CycleGAN and all the state that the next step needs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..compute import Compute
from . import losses
from .networks import Generator, PatchDiscriminator


@dataclass(frozen=True)
class GanConfig:
    """Everything that decides a translator's weights; saved beside them as `config.json`."""

    target: str
    sources: tuple[str, ...]
    fold: int | None
    seed: int
    size: int  # px
    pairs: int  # source and target scans shown, in pairs
    batch: int
    channels: int  # of the first layer, generators and discriminators alike
    blocks: int  # residual blocks
    upsampling: str  # nearest | transposed
    learning_rate: float
    cycle: float  # weight of the cycle loss
    identity: float  # weight of the identity loss
    buffer: int  # earlier synthetic scans that discriminators still see
    average: float  # decay of the averaged generator; 0: none
    shift: int  # px, training scans are moved by up to this
    precision: str
    threads: int
    device: str
    preset: str
    training_pixels: str  # hash of the pixels and classes it sees

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return -(-self.pairs // self.batch)


class CycleGAN:
    """Two generators, two discriminators, their optimisers, the averaged generator and the replay buffers."""

    def __init__(self, config: GanConfig, compute: Compute) -> None:
        self.config, self.compute = config, compute
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            networks: dict[str, nn.Module] = {
                "to_target": Generator(config.channels, config.blocks, config.upsampling),
                "to_source": Generator(config.channels, config.blocks, config.upsampling),
                "judge_target": PatchDiscriminator(config.channels, config.size),
                "judge_source": PatchDiscriminator(config.channels, config.size),
            }
        self.networks = {name: network.to(compute.device) for name, network in networks.items()}
        self.averaged = Generator(config.channels, config.blocks, config.upsampling).to(compute.device)
        self.averaged.load_state_dict(self.networks["to_target"].state_dict())
        self.averaged.requires_grad_(False)
        self.optimisers = {
            "generators": self._adam("to_target", "to_source"),
            "discriminators": self._adam("judge_target", "judge_source"),
        }
        shape = (0, 1, config.size, config.size)
        self.buffers = {name: torch.zeros(shape, device=compute.device) for name in ("target", "source")}
        self.step_number = 0

    def _adam(self, *names: str) -> torch.optim.Adam:
        parameters = [parameter for name in names for parameter in self.networks[name].parameters()]
        return torch.optim.Adam(parameters, lr=self.config.learning_rate, betas=(0.5, 0.999))

    def step(self, source: Tensor, target: Tensor, rng: np.random.Generator) -> dict[str, float]:
        """Train on B source and B target scans (B×1×S×S in [-1, 1]); returns the losses of this step."""
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = self.config.learning_rate * rate(self.step_number, self.config.steps)
        fakes, values = self._generators(source, target)
        values["discriminator"] = self._discriminators(source, target, fakes, rng)
        self.step_number += 1
        self._average()
        return {name: float(value) for name, value in values.items()}

    def _generators(self, source: Tensor, target: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        nets, weight = self.networks, self.config
        self._judges_learn(False)
        with self.compute.autocast():
            # instance normalisation treats every scan by itself, so translation and identity share one pass
            fake_target, same_target = nets["to_target"](torch.cat([source, target])).chunk(2)
            fake_source, same_source = nets["to_source"](torch.cat([target, source])).chunk(2)
            back_source = nets["to_source"](fake_target)
            back_target = nets["to_target"](fake_source)
            on_target, on_source = nets["judge_target"](fake_target), nets["judge_source"](fake_source)
        adversarial = losses.generator_adversarial(on_target) + losses.generator_adversarial(on_source)
        cycle = losses.reconstruction(back_source, source) + losses.reconstruction(back_target, target)
        identity = losses.reconstruction(same_target, target) + losses.reconstruction(same_source, source)
        total = adversarial + weight.cycle * cycle + weight.identity * identity
        self._descend("generators", total)
        fakes = {"target": fake_target.detach().float(), "source": fake_source.detach().float()}
        values = {"generator": total, "adversarial": adversarial, "cycle": cycle, "identity": identity}
        return fakes, {name: value.detach() for name, value in values.items()}

    def _discriminators(
        self, source: Tensor, target: Tensor, fakes: dict[str, Tensor], rng: np.random.Generator
    ) -> Tensor:
        self._judges_learn(True)
        total = torch.zeros((), device=source.device)
        for name, real in (("target", target), ("source", source)):
            shown = self._replay(name, fakes[name], rng)
            with self.compute.autocast():
                on_real, on_fake = self.networks[f"judge_{name}"](torch.cat([real, shown])).chunk(2)
            total = total + losses.discriminator_adversarial(on_real, on_fake)
        self._descend("discriminators", total)
        return total.detach()

    def _descend(self, name: str, loss: Tensor) -> None:
        self.optimisers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers[name].step()

    def _judges_learn(self, flag: bool) -> None:
        for name in ("judge_target", "judge_source"):
            self.networks[name].requires_grad_(flag)

    def _replay(self, name: str, fresh: Tensor, rng: np.random.Generator) -> Tensor:
        """With chance ½ show an earlier synthetic scan and keep the fresh one for later (Shrivastava et al. 2017)."""
        kept, shown = self.buffers[name], fresh.clone()
        for row in range(len(fresh)):
            if len(kept) < self.config.buffer:
                kept = torch.cat([kept, fresh[row : row + 1]])
            elif len(kept) and rng.random() < 0.5:
                place = int(rng.integers(len(kept)))
                shown[row], kept[place] = kept[place].clone(), fresh[row]
        self.buffers[name] = kept
        return shown

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged generator; a short memory at first, as in Karras et al. 2018."""
        step = self.step_number
        decay = min(self.config.average, (1 + step) / (10 + step)) if self.config.average else 0.0
        current = self.networks["to_target"].parameters()
        torch._foreach_lerp_(list(self.averaged.parameters()), list(current), 1 - decay)

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on bit for bit; tensors, numbers and names only."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "averaged": self.averaged.state_dict(),
            "buffers": self.buffers,
            "step": self.step_number,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned; raises KeyError or RuntimeError if it does not fit."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.averaged.load_state_dict(state["averaged"])
        self.buffers = {name: state["buffers"][name].to(self.compute.device) for name in self.buffers}
        self.step_number = int(state["step"])


def rate(step: int, steps: int) -> float:
    """Factor on the learning rate: 1 in the first half of the steps, then linearly to 0 (section 4)."""
    return min(1.0, 2 * (1 - step / steps))
