"""The networks that judge or see scans, by name; read without torch, so that slips answer at once."""

import re

from ..core.errors import UsageError, did_you_mean

FAMILY = "efficientnet"  # how the names of its members begin, torchvision's too
LITE0, LITE1, LITE2 = "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"
EXTRACTORS = ("auto", "inception", LITE0, LITE2)  # of --extractor


def check_extractor(kind: str) -> None:
    """UsageError unless there is a judge called so; torchvision is asked where the name may be one of its."""
    if kind in EXTRACTORS:
        return
    slip = did_you_mean(kind, EXTRACTORS)
    if not slip and re.fullmatch(r"[a-z][a-z0-9_]*", kind):
        from torchvision import models  # late: it takes torch along

        if kind in models.list_models(module=models):
            return
        slip = did_you_mean(kind, models.list_models(module=models))
    raise UsageError(
        f"--extractor {kind} is unknown; choose one of {', '.join(EXTRACTORS)}, or a classification network "
        f"of torchvision such as vgg16.{slip}"
    )
