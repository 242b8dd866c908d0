"""A trained network as ONNX, checked against torch, with a model card: a translator or a classifier."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .. import __version__
from ..classify import predict
from ..classify.catalogue import title
from ..classify.models import build
from ..core import files
from ..core.errors import BusError, visible
from ..data.store import Pixels
from ..data.study import Study
from ..gan.translator import Translator
from .cell import WEIGHTS
from .predict import NOTICE, Trained

OPSET = 18
APART = 1e-4  # between torch and onnxruntime: of a probability, or of the grey range from −1 to 1
CHECKED = 8  # scans on which both answer
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
CARD = "README.md"

TRANSLATOR_TEXT = """---
license: other
tags:
- medical
- breast-ultrasound
- synthetic
- cyclegan
---

# A CycleGAN's translator to {target} breast-ultrasound scans

**Research use only; never for a diagnosis. What it makes is SYNTHETIC and shows no patient: mark it so,
keep the source of each scan, and test no classifier on it.**

- Input `scans`: B×1×{size}×{size}, float32, grey levels 0 to 255 of letterboxed scans of {sources}.
- Output `synthetic`: the same shape, grey levels 0 to 255, not rounded. Where a source has black bars,
  put them back: bars tell the aspect ratio, which alone predicts the class a little.
- Trained on {trained} real scans, {part} of {data} (cohort `{cohort}`, content `{content}`),
  method {method}, preset `{preset}`, {pairs:,} pairs, seed {seed}.
- Weights: `{digest}` (SHA-256 of the safetensors file it was made from).
- {check}

{scores}

A classifier that trains on its translations must not be tested on the sources' groups, nor on
{tested}. It changes a scan as the real scans of its training part differ between classes, artefacts
included; nobody has looked whether a translation shows a {target} finding.
Written by bus-balance {version}.
"""

CLASSIFIER_TEXT = """---
license: other
tags:
- medical
- breast-ultrasound
- image-classification
---

# {name}

**{notice}**

- Input `scans`: B×1×{size}×{size}, float32, grey levels 0 to 255 of letterboxed scans.
- Output `probabilities`: B×{count}, in the order {classes}; each row sums to 1.
- Trained on the training part of fold {fold}{part} of {data} (cohort `{cohort}`, content `{content}`) under
  the arm `{arm}`: {meaning}.
- Weights: `{digest}` (SHA-256 of the safetensors file it was made from).
- {check}
- On the {tested} test scans of its fold: {scores}. One training on one fold: no estimate of what another
  training would give.

{remarks}

Scans that it was trained on it answers too well; keep the fold apart. Written by bus-balance {version}.
"""


class TranslatorOfLevels(nn.Module):
    """A generator that takes and gives grey levels 0–255 (B×1×S×S), without noise."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, scans: Tensor) -> Tensor:
        out: Tensor = (self.generator(scans / 127.5 - 1) + 1) * 127.5
        return out


class ClassifierOfLevels(nn.Module):
    """A classifier that takes grey levels 0–255 (B×1×S×S) and gives probabilities (B×classes)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, scans: Tensor) -> Tensor:
        out: Tensor = self.network(scans / 255).softmax(1)
        return out


@dataclass(frozen=True)
class Check:
    """How far onnxruntime's answers are from torch's."""

    apart: float  # the largest difference, in the unit of APART
    scans: int

    def __str__(self) -> str:
        return f"Checked on {self.scans} scans against torch: at most {self.apart:.0e} apart (opset {OPSET})."


def require_onnx() -> None:
    """BusError unless the packages that write and run ONNX are installed; they are an extra."""
    for name in PACKAGES:
        try:
            import_module(name)
        except ImportError as error:
            raise BusError(
                f"ONNX needs the package {name}, which is not installed: pip install {' '.join(PACKAGES)}."
            ) from error


def export_translator(translator: Translator, folder: Path) -> tuple[Path, Check]:
    """Write a trained translator as `generator.onnx` with its card into a new folder.

    BusError where none is trained, or where onnxruntime does not say what torch says.
    """
    require_onnx()
    translator.require_trained()
    study, config = translator.study, translator.known_config
    used = study.train(translator.fold)
    sources = study.pixels[study.rows_of(used, config.sources)[:CHECKED]]
    whole = translator.fold is None
    with files.new_folder(folder) as place:
        network = TranslatorOfLevels(translator.load("cpu")).eval()
        about = {"synthetic": "SYNTHETIC, not patients. Research use only.", "target": translator.target}
        check = _write(network, sources, place / "generator.onnx", "synthetic", about, unit=127.5)
        text = TRANSLATOR_TEXT.format(
            **_data(study),
            target=translator.target,
            sources=" and ".join(config.sources),
            trained=len(used),
            part="all scans" if whole else f"the training part of fold {translator.fold}",
            method=config.method,
            preset=config.preset,
            pairs=config.pairs,
            seed=translator.seed,
            digest=translator.generator_sha256,
            check=check,
            scores=_scores(translator),
            tested="any of these scans" if whole else f"scans of another fold than {translator.fold}",
        )
        files.write_text(place / CARD, visible(text))
    return folder / "generator.onnx", check


def export_classifier(trained: Trained, folder: Path) -> tuple[Path, Check]:
    """Write a trained classifier as `classifier.onnx` with its card into a new folder.

    BusError as of export_translator.
    """
    require_onnx()
    study, cell = trained.study, trained.cell
    digest = cell.done.hashes.get("weights")
    path, classes = cell.path / WEIGHTS, study.classes
    placed = predict.load(path, cell.model, len(classes), digest, "cpu")
    network = build(cell.model, len(classes), "none", 0)  # without the order of maps that a processor likes
    network.load_state_dict(placed.state_dict())
    with files.new_folder(folder) as place:
        about = {"classes": ", ".join(classes), "notice": NOTICE}
        wrapped = ClassifierOfLevels(network).eval()
        shown = study.pixels[study.test(cell.fold)[:CHECKED]]
        check = _write(wrapped, shown, place / "classifier.onnx", "probabilities", about)
        told = {name: cell.scores.get(name) for name in ("macro_f1", "target_auc")}
        text = CLASSIFIER_TEXT.format(
            **_data(study),
            name=f"{title(cell.model)} for breast-ultrasound scans, arm {cell.arm}",
            notice=NOTICE,
            count=len(classes),
            classes=", ".join(classes),
            fold=cell.fold,
            part=" without its validation part" if cell.recipe.validation else "",
            arm=cell.arm,
            meaning=cell.arm.meaning,
            digest=digest,
            check=check,
            tested=len(study.test(cell.fold)),
            scores=", ".join(f"{name} {value:.3f}" for name, value in told.items() if value is not None),
            remarks="\n".join(f"- {remark}" for remark in trained.remarks),
        )
        files.write_text(place / CARD, visible(text))
    return folder / "classifier.onnx", check


def _data(study: Study) -> Mapping[str, str]:
    """What both cards say of the data and of this program."""
    settings = study.settings
    return {
        "size": str(settings.size),
        "data": settings.data.name,
        "cohort": settings.cohort,
        "content": settings.data.sha256,
        "version": __version__,
    }


def _scores(translator: Translator) -> str:
    from ..gan.scoring import told

    return "\n".join(f"- {line}" for line in told(translator.scans)) or "Its synthetic scans have no scores."


def _write(
    network: nn.Module,
    pixels: Pixels,
    path: Path,
    output: str,
    about: Mapping[str, str],
    *,
    unit: float = 1.0,
) -> Check:
    """Write a network of B×1×S×S levels as ONNX, and compare both on scans.

    `unit`: by how much outputs are divided before they are held against APART.
    """
    import onnx
    import onnxruntime

    scans = torch.from_numpy(np.array(pixels)).float().unsqueeze(1)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of torch's exporter, about itself
        program = torch.onnx.export(
            network,
            (scans,),
            dynamo=True,
            input_names=["scans"],
            output_names=[output],
            dynamic_shapes={"scans": {0: torch.export.Dim("batch", min=1)}},
            opset_version=OPSET,
            verbose=False,
        )
        expected = network(scans).numpy()
    assert program is not None  # torch gives none where it writes a file itself
    model = program.model_proto
    onnx.helper.set_model_props(model, {**about, "made_by": f"bus-balance {__version__}"})
    onnx.checker.check_model(model)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    apart = max(_differences(session, scans.numpy(), expected)) / unit
    if not apart <= APART:
        raise BusError(
            f"onnxruntime's answers differ from torch's by {apart:.1e}, where {APART:.0e} is allowed. "
            "Nothing was written; another version of torch, onnxscript or onnxruntime may do better."
        )
    files.write_bytes(path, content)
    return Check(apart, len(scans))


def _differences(session: "object", scans: "np.ndarray", expected: "np.ndarray") -> Sequence[float]:
    """The largest difference of all scans at once, and of one alone."""
    run = session.run  # type: ignore[attr-defined]
    return [
        float(np.abs(run(None, {"scans": scans[part]})[0] - expected[part]).max())
        for part in (slice(None), slice(1))
    ]
