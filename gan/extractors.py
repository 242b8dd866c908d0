"""The networks that judge or see scans, by name; read without torch, so that slips answer at once."""

from ..core.errors import UsageError, did_you_mean

LITE0, LITE1, LITE2 = "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"
EXTRACTORS = ("auto", "inception", LITE0, LITE2)  # of --extractor


def check_extractor(kind: str) -> None:
    """UsageError unless there is a judge called so."""
    if kind not in EXTRACTORS:
        raise UsageError(
            f"--extractor {kind} is unknown; choose one of {', '.join(EXTRACTORS)}."
            f"{did_you_mean(kind, EXTRACTORS)}"
        )
