"""One training step of the translator and all the state that the next step needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor, nn

from ..core.compute import Compute
from ..core.recorded import set_rate
from . import losses
from .config import GanConfig
from .discriminators import Discriminator, Eyes, augment
from .networks import DetailGenerator, grown

SIDES = ("target", "source")
Pair = dict[str, Tensor]  # one tensor a side
Terms = list[tuple[str, Tensor]]  # losses by name, on the device; terms of one name are summed


class State(TypedDict):
    """All that a later process needs to go on bit for bit; tensors, numbers and names only."""

    networks: dict[str, dict[str, Tensor]]
    optimisers: dict[str, dict[str, Any]]  # as torch gives it
    averaged: dict[str, Tensor]
    buffers: dict[str, Tensor]
    step: int


@dataclass(frozen=True)
class Draws:
    """The chance of a step on B scans a side, but that of the replay buffers."""

    noise: Tensor | None  # B×noise, of the translations to the target
    generators: Tensor | None  # 2·B×6, how discriminators see the scans that train the generators
    discriminators: Tensor | None  # 2·B×6, how they see those that train themselves


@dataclass(frozen=True)
class Losses:
    """The losses of a step, still on the device: whoever asks for numbers waits for the card."""

    names: list[str]
    values: Tensor  # one a name

    def numbers(self) -> dict[str, float]:
        """Losses by name; those of one name are summed."""
        found: dict[str, float] = {}
        for name, value in zip(self.names, self.values.tolist(), strict=True):
            found[name] = found.get(name, 0.0) + value
        return found


@dataclass(frozen=True)
class Cycle:
    """What one cycle of a step leaves behind, without gradients."""

    fake: Tensor  # translations to a side, B×1×S×S in [-1, 1]
    seen: list[Tensor]  # what that side's discriminator saw of them
    losses: dict[str, Tensor]


class CycleGAN:
    """Two generators, two discriminators, their optimisers, the averaged generator and the replay buffers.

    `networks` holds all that is trained: to_target, to_source, discriminator_target, discriminator_source.
    """

    def __init__(self, config: GanConfig, compute: Compute) -> None:
        self.config, self.compute = config, compute
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.draw)
            networks: dict[str, nn.Module] = {
                "to_target": config.build_generator(),
                "to_source": config.build_generator(),
                "discriminator_target": Discriminator(config.discriminator, config.channels, config.side),
                "discriminator_source": Discriminator(config.discriminator, config.channels, config.side),
            }
            self.eyes = Eyes(config.discriminator, config.eyes).to(compute.device)
            self.averaged = config.build_generator().to(compute.device).requires_grad_(False)
        self.networks = {name: network.to(compute.device) for name, network in networks.items()}
        self.averaged.load_state_dict(self.networks["to_target"].state_dict())
        # projected discriminators learn without momentum (Sauer et al. 2021), published ones like generators
        betas = {
            "generators": (0.5, 0.999),
            "discriminators": (0.5, 0.999) if config.discriminator == "patch" else (0.0, 0.99),
        }
        names = {
            "generators": ("to_target", "to_source"),
            "discriminators": ("discriminator_target", "discriminator_source"),
        }
        self.optimisers = {
            kind: torch.optim.Adam(
                [parameter for name in names[kind] for parameter in self.networks[name].parameters()],
                # a recorded step reads its rate from the card
                lr=torch.tensor(config.learning_rate, device="cuda")
                if config.recorded
                else config.learning_rate,
                capturable=config.recorded,
                betas=betas[kind],
                fused=compute.fused,
            )
            for kind in names
        }
        shape = (0, 1, config.side, config.side)
        self.buffers = {side: torch.zeros(shape, device=compute.device) for side in SIDES}
        self.step_number = 0

    def begin_from(self, start: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Begin with generators of a smaller side, by name; ValueError where they do not fit."""
        for name, weights in start.items():
            network = self.networks[name]
            if not isinstance(network, DetailGenerator):
                raise ValueError(f"a generator of the form {type(network).__name__} does not grow")
            network.load_state_dict(grown(weights, network))
        self.averaged.load_state_dict(self.networks["to_target"].state_dict())

    def step(self, source: Tensor, target: Tensor, rng: np.random.Generator) -> Losses:
        """Train on B source and B target scans (B×1×S×S in [-1, 1]); returns the losses of this step.

        All chance comes from `rng`.
        """
        self.set_rate()
        terms = self.work({"target": target, "source": source}, self.draw(len(source), rng), rng)
        self.finish_step()
        return losses_of(terms)

    def set_rate(self) -> None:
        """Set the learning rate of the step to come."""
        value = self.config.learning_rate * rate(self.step_number, self.config.steps)
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                set_rate(group, value)

    def draw(self, count: int, rng: np.random.Generator) -> Draws:
        """The chance of a step on `count` scans a side, on the device; their order decides the weights."""
        noise = None
        if self.config.noise:
            draws = rng.standard_normal((count, self.config.noise), dtype=np.float32)
            noise = torch.from_numpy(draws).to(self.compute.device)
        return Draws(noise, *(self._draw_views(count, rng) for _ in ("generators", "discriminators")))

    def work(self, real: Pair, draws: Draws, rng: np.random.Generator) -> Terms:
        """Both updates of a step, all of it on the device, where the losses stay.

        Without replay buffers nothing is taken from `rng` and nothing waited for: it may be recorded.
        """
        cycles = self._train_generators(real, draws)
        parts = [cycle.losses for cycle in cycles.values()]
        parts += self._train_discriminators(real, cycles, draws, rng)
        return [(name, value) for part in parts for name, value in part.items()]

    def finish_step(self) -> None:
        """Count the step and move the averaged generator."""
        self.step_number += 1
        self._average()

    def _train_generators(self, real: Pair, draws: Draws) -> dict[str, Cycle]:
        """Both cycles at the same time.

        Every weight gets one gradient from either, so that their order changes no sum.
        """
        views = _by_side(draws.generators)
        for side in SIDES:
            self.networks[f"discriminator_{side}"].requires_grad_(False)
        self.optimisers["generators"].zero_grad(set_to_none=True)
        to_target = partial(self._cycle, "target", "source", real, views["target"], draws.noise)
        to_source = partial(self._cycle, "source", "target", real, views["source"])
        cycles = dict(zip(SIDES, self.compute.beside(to_target, to_source), strict=True))
        self.optimisers["generators"].step()
        return cycles

    def _cycle(
        self, side: str, origin: str, real: Pair, view: Tensor | None, noise: Tensor | None = None
    ) -> Cycle:
        """Translate the scans of `origin` to `side` and back; adds to the generators' gradients."""
        config, there, back = self.config, self.networks[f"to_{side}"], self.networks[f"to_{origin}"]
        with self.compute.autocast():
            fake, same = self._translate(there, real[origin], real[side], noise)
            returned = back(fake)
            seen = self._look(fake, view)
            scored = self.networks[f"discriminator_{side}"](seen)
        values = {
            "adversarial": losses.generator_adversarial(scored, config.adversarial),
            "cycle": losses.reconstruction(returned, real[origin]),
        }
        total = values["adversarial"] + config.cycle * values["cycle"]
        if same is not None:
            values["identity"] = losses.reconstruction(same, real[side])
            total = total + config.identity * values["identity"]
        total.backward()
        values = {"generators": total.detach(), **{name: value.detach() for name, value in values.items()}}
        return Cycle(fake.detach().float(), [seen_map.detach() for seen_map in seen], values)

    def _translate(
        self, network: nn.Module, scans: Tensor, own: Tensor, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Translated scans, and `own` scans of the other side translated where the identity loss asks.

        Instance normalisation treats every scan by itself, so both share one pass. Noise varies translations
        only, so that cycle and identity losses do not teach the generator to ignore it.
        """
        if not self.config.identity:
            return network(scans, noise), None
        beside = None if noise is None else torch.cat([noise, torch.zeros_like(noise)])
        translated, same = network(torch.cat([scans, own]), beside).chunk(2)
        return translated, same

    def _train_discriminators(
        self, real: Pair, cycles: dict[str, Cycle], draws: Draws, rng: np.random.Generator
    ) -> list[dict[str, Tensor]]:
        """Both discriminators at the same time; they share nothing."""
        config, views = self.config, _by_side(draws.discriminators)
        replayed = (
            {side: self._replay(side, cycles[side].fake, rng) for side in SIDES} if config.buffer else {}
        )
        again = _by_side(self._draw_views(len(real["source"]), rng) if config.buffer else None)
        self.optimisers["discriminators"].zero_grad(set_to_none=True)

        def judge(side: str) -> dict[str, Tensor]:
            network = self.networks[f"discriminator_{side}"].requires_grad_(True)
            with torch.no_grad(), self.compute.autocast():
                real_maps = self._look(real[side], views[side])
                fake_maps = self._look(replayed[side], again[side]) if config.buffer else cycles[side].seen
            with self.compute.autocast():
                fields = network([torch.cat(pair) for pair in zip(real_maps, fake_maps, strict=True)])
            on_real, on_fake = zip(*(field.chunk(2) for field in fields), strict=True)
            total = losses.call_real(on_real, config.adversarial)
            total = total + losses.call_fake(on_fake, config.adversarial)
            total.backward()
            return {"discriminators": total.detach()}

        parts = self.compute.beside(*(partial(judge, side) for side in SIDES))
        self.optimisers["discriminators"].step()
        return parts

    def _look(self, scans: Tensor, view: Tensor | None) -> list[Tensor]:
        """What a discriminator sees of scans, each augmented as its `view` says."""
        seen: list[Tensor] = self.eyes(scans if view is None else augment(scans, view))
        return seen

    def _draw_views(self, count: int, rng: np.random.Generator) -> Tensor | None:
        """How the discriminators see `count` scans of either side: 2·count×6, uniform in [-1, 1]."""
        if not self.config.augmentation:
            return None
        draws = rng.uniform(-1, 1, (2 * count, 6)).astype(np.float32)
        return torch.from_numpy(draws).to(self.compute.device)

    def _replay(self, side: str, fresh: Tensor, rng: np.random.Generator) -> Tensor:
        """With chance ½ show an earlier scan, keep the fresh one for later (Shrivastava et al. 2017)."""
        kept, shown = self.buffers[side], fresh.clone()
        for row in range(len(fresh)):
            if len(kept) < self.config.buffer:
                kept = torch.cat([kept, fresh[row : row + 1]])
            elif rng.random() < 0.5:
                swapped = int(rng.integers(len(kept)))
                shown[row], kept[swapped] = kept[swapped].clone(), fresh[row]
        self.buffers[side] = kept
        return shown

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged generator; a short memory at first, as in Karras et al. 2018."""
        step = self.step_number
        decay = min(self.config.average, (1 + step) / (10 + step)) if self.config.average else 0.0
        current = self.networks["to_target"].parameters()
        torch._foreach_lerp_(list(self.averaged.parameters()), list(current), 1 - decay)

    def state(self) -> State:
        """All that a later process needs to go on bit for bit; tensors, numbers and names only."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "averaged": self.averaged.state_dict(),
            "buffers": self.buffers,
            "step": self.step_number,
        }

    def restore(self, state: State) -> None:
        """Go back to what `state` returned; raises KeyError or RuntimeError if it does not fit."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.averaged.load_state_dict(state["averaged"])
        self.buffers = {side: state["buffers"][side].to(self.compute.device) for side in self.buffers}
        self.step_number = int(state["step"])


def losses_of(terms: Terms) -> Losses:
    """The losses of a step, kept where they are."""
    return Losses([name for name, _ in terms], torch.stack([value for _, value in terms]))


def _by_side(views: Tensor | None) -> dict[str, Tensor | None]:
    """Views of the scans of either side: the first half is the target's."""
    return dict.fromkeys(SIDES) if views is None else dict(zip(SIDES, views.chunk(2), strict=True))


def rate(step: int, steps: int) -> float:
    """Factor on the learning rate: 1 in the first half of the steps, then linearly to 0 (Zhu et al. 2017)."""
    return min(1.0, 2 * (1 - step / steps))
