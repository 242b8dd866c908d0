"""One training step of the translator and all the state that the next step needs."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..compute import Compute
from . import losses
from .config import GanConfig
from .discriminators import Discriminator, Eyes, augment

SIDES = ("target", "source")
Pair = dict[str, Tensor]  # one tensor a side


class CycleGAN:
    """Two generators, two discriminators, their optimisers, the averaged generator and the replay buffers.

    `networks` holds all that is trained: to_target, to_source, discriminator_target, discriminator_source.
    """

    MARGIN = 0.1  # mean absolute difference of two translations of one scan from which they count as different

    def __init__(self, config: GanConfig, compute: Compute) -> None:
        self.config, self.compute = config, compute
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            networks: dict[str, nn.Module] = {
                "to_target": config.build_generator(),
                "to_source": config.build_generator(),
                "discriminator_target": Discriminator(config.discriminator, config.channels, config.size),
                "discriminator_source": Discriminator(config.discriminator, config.channels, config.size),
            }
            self.eyes = Eyes(config.discriminator).to(compute.device)
            self.averaged = config.build_generator().to(compute.device).requires_grad_(False)
        self.networks = {name: network.to(compute.device) for name, network in networks.items()}
        self.averaged.load_state_dict(self.networks["to_target"].state_dict())
        # projected discriminators learn without momentum (Sauer et al. 2021); the published ones like the generators
        betas = {"generators": (0.5, 0.999), "discriminators": (0.5, 0.999) if config.discriminator == "patch" else (0.0, 0.99)}
        names = {"generators": ("to_target", "to_source"), "discriminators": ("discriminator_target", "discriminator_source")}
        self.optimisers = {
            kind: torch.optim.Adam(
                [parameter for name in names[kind] for parameter in self.networks[name].parameters()],
                lr=config.learning_rate, betas=betas[kind], fused=compute.fused,
            )
            for kind in names
        }  # fmt: skip
        shape = (0, 1, config.size, config.size)
        self.buffers = {side: torch.zeros(shape, device=compute.device) for side in SIDES}
        self.step_number = 0

    def step(self, source: Tensor, target: Tensor, rng: np.random.Generator) -> dict[str, float]:
        """Train on B source and B target scans (B×1×S×S in [-1, 1]); returns the losses of this step.

        All chance comes from `rng`.
        """
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = self.config.learning_rate * rate(self.step_number, self.config.steps)
        real = {"target": target, "source": source}
        fakes, seen, values = self._train_generators(real, rng)
        values["discriminators"] = self._train_discriminators(real, fakes, seen, rng)
        self.step_number += 1
        self._average()
        return {name: float(value) for name, value in values.items()}

    def _train_generators(
        self, real: Pair, rng: np.random.Generator
    ) -> tuple[Pair, dict[str, list[Tensor]], dict[str, Tensor]]:
        """Returns the synthetic scans, what the discriminators saw of them, and the losses."""
        config, source, target = self.config, real["source"], real["target"]
        to_target, to_source = self.networks["to_target"], self.networks["to_source"]
        for side in SIDES:
            self.networks[f"discriminator_{side}"].requires_grad_(False)
        with self.compute.autocast():
            fake_target, same_target = self._translate("target", source, target, self._draw_noise(len(source), rng))
            fake_source, same_source = self._translate("source", target, source)
            back_source, back_target = to_source(fake_target), to_target(fake_source)
            fakes = {"target": fake_target, "source": fake_source}
            seen = self._look(fakes, rng)
            scored = {side: self.networks[f"discriminator_{side}"](seen[side]) for side in SIDES}
            other = to_target(source, self._draw_noise(len(source), rng)) if config.diversity else fake_target
        values = {
            "adversarial": losses.generator_adversarial(scored["target"] + scored["source"], config.adversarial),
            "cycle": losses.reconstruction(back_source, source) + losses.reconstruction(back_target, target),
        }
        total = values["adversarial"] + config.cycle * values["cycle"]
        if same_target is not None and same_source is not None:
            values["identity"] = losses.reconstruction(same_target, target) + losses.reconstruction(same_source, source)
            total = total + config.identity * values["identity"]
        if config.diversity:
            values["sameness"] = losses.sameness(fake_target, other, self.MARGIN)
            total = total + config.diversity * values["sameness"]
        self._descend("generators", total)
        fakes = {side: fake.detach().float() for side, fake in fakes.items()}
        seen = {side: [place.detach() for place in maps] for side, maps in seen.items()}
        return fakes, seen, {"generators": total.detach(), **{name: value.detach() for name, value in values.items()}}

    def _translate(
        self, side: str, scans: Tensor, own: Tensor, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Scans translated to `side`, and what becomes of `own` scans of that side where the identity loss asks.

        Instance normalisation treats every scan by itself, so both share one pass. Noise varies translations only, so
        that cycle and identity losses do not teach the generator to ignore it.
        """
        network = self.networks[f"to_{side}"]
        if not self.config.identity:
            return network(scans, noise), None
        beside = None if noise is None else torch.cat([noise, torch.zeros_like(noise)])
        translated, same = network(torch.cat([scans, own]), beside).chunk(2)
        return translated, same

    def _train_discriminators(
        self, real: Pair, fakes: Pair, seen: dict[str, list[Tensor]], rng: np.random.Generator
    ) -> Tensor:
        config = self.config
        with torch.no_grad(), self.compute.autocast():
            seen_real = self._look(real, rng)
            if config.buffer:
                seen = self._look({side: self._replay(side, fakes[side], rng) for side in SIDES}, rng)
        total = torch.zeros((), device=self.compute.device)
        for side, other in zip(SIDES, reversed(SIDES), strict=True):
            network = self.networks[f"discriminator_{side}"].requires_grad_(True)
            shown = [seen_real[side], seen[side]] + ([seen_real[other]] if config.negatives else [])
            with self.compute.autocast():
                fields = network([torch.cat(maps) for maps in zip(*shown, strict=True)])
            parts = list(zip(*(field.chunk(len(shown)) for field in fields), strict=True))
            total = total + losses.call_real(parts[0], config.adversarial)
            total = total + losses.call_fake(parts[1], config.adversarial)
            if config.negatives:
                total = total + config.negatives * losses.call_fake(parts[2], config.adversarial)
        self._descend("discriminators", total)
        return total.detach()

    def _look(self, scans: Pair, rng: np.random.Generator) -> dict[str, list[Tensor]]:
        """What the discriminators see of both sides, augmented, in one pass through the eyes."""
        both = torch.cat([scans[side] for side in SIDES])
        if self.config.augmentation:
            draws = torch.from_numpy(rng.uniform(-1, 1, (len(both), 6)).astype(np.float32))
            both = augment(both, draws.to(both.device))
        halves = [maps.chunk(2) for maps in self.eyes(both)]
        return {side: [half[place] for half in halves] for place, side in enumerate(SIDES)}

    def _draw_noise(self, count: int, rng: np.random.Generator) -> Tensor | None:
        if not self.config.noise:
            return None
        draws = rng.standard_normal((count, self.config.noise), dtype=np.float32)
        return torch.from_numpy(draws).to(self.compute.device)

    def _descend(self, name: str, loss: Tensor) -> None:
        self.optimisers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers[name].step()

    def _replay(self, side: str, fresh: Tensor, rng: np.random.Generator) -> Tensor:
        """With chance ½ show an earlier synthetic scan and keep the fresh one for later (Shrivastava et al. 2017)."""
        kept, shown = self.buffers[side], fresh.clone()
        for row in range(len(fresh)):
            if len(kept) < self.config.buffer:
                kept = torch.cat([kept, fresh[row : row + 1]])
            elif rng.random() < 0.5:
                place = int(rng.integers(len(kept)))
                shown[row], kept[place] = kept[place].clone(), fresh[row]
        self.buffers[side] = kept
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
        self.buffers = {side: state["buffers"][side].to(self.compute.device) for side in self.buffers}
        self.step_number = int(state["step"])


def rate(step: int, steps: int) -> float:
    """Factor on the learning rate: 1 in the first half of the steps, then linearly to 0 (section 4)."""
    return min(1.0, 2 * (1 - step / steps))

