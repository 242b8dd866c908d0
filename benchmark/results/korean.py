"""The verdicts in Korean, from the same values as `wording.py` makes the English sentences."""

from collections.abc import Sequence
from math import inf

from ...classify.catalogue import title
from .model import ALPHA, FEWEST_GROUPS, PRIMARY, Contrast, Interval, Summary, Verdict, VerdictKind
from .outcome import unseen
from .summary import below
from .wording import points

HEADLINES = {
    VerdictKind.UNPAIRED: "판정 없음",
    VerdictKind.SAME_ANSWERS: "판정 없음",
    VerdictKind.TOO_SMALL: "판정하기에는 시험 자료가 너무 적음",
    VerdictKind.NOT_REPEATED: "아직 판정 없음",
    VerdictKind.NO_GAIN: "이득이 검출되지 않음",
    VerdictKind.LOSS: "손실 확인",
    VerdictKind.LOSS_UNEXPLAINED: "원래 자료에 비해 손실",
    VerdictKind.LOSS_OF_REPEATS: "손실, 단 단순 반복보다 나쁘다는 것은 확인되지 않음",
    VerdictKind.REPEATS_WORSE: "손실, 단 단순 반복은 더 나쁨",
    VerdictKind.GAIN: "이득 확인",
    VerdictKind.GAIN_UNEXPLAINED: "원래 자료에 비해 이득",
    VerdictKind.GAIN_OF_REPEATS: "이득, 단 단순 반복을 넘어선다는 것은 확인되지 않음",
    VerdictKind.REPEATS_BETTER: "이득, 단 단순 반복이 더 나음",
}
MOVED = {  # as in `wording`
    1: "영상의 순위도 함께 움직임: {}.",
    -1: "영상의 순위는 반대로 움직임: {}.",
    0: "영상의 순위가 움직였다는 것은 확인되지 않음: {}. 움직인 것은 문턱값뿐, 곧 target이라고 답하는 "
    "빈도뿐일 수 있음.",
}
SCANS, RETRAINED = "다른 영상", "다른 영상·학습·변환기"  # what the two intervals promise
UNKNOWN = "다시 학습하면 얼마나 달라질지는 학습 수가 적어 알 수 없음"
UNSHOWABLE = "학습 수가 이렇게 적으면 어떤 크기의 이득도 보일 수 없음"


def ends(interval: Interval) -> str:
    """Both ends of an interval in points."""
    return f"{points(interval.low)} ~ {points(interval.high)}"


def difference(contrast: Contrast) -> str:
    """A difference of macro-F1 with both its intervals, the one that decides first."""
    scans, again = contrast.interval, contrast.retrained
    promised = f"{SCANS} {ends(scans)}; {UNKNOWN}"
    if again is not None:
        promised = f"{RETRAINED} {ends(again)}, {SCANS}만 {ends(scans)}"
    return f"macro-F1 {points(scans.estimate)}점(95\u00a0% 구간: {promised})"


def headline(verdict: Verdict) -> str:
    """The verdict in a few words."""
    return HEADLINES[verdict.kind]


def reason(verdict: Verdict) -> str:
    """The numbers behind a verdict, without its headline and without a full stop."""
    gain, translator = verdict.gain, verdict.translator
    if verdict.kind is VerdictKind.UNPAIRED or gain is None:
        return "같은 fold와 seed에서 original과 cyclegan을 모두 학습해야 함"
    if verdict.kind is VerdictKind.SAME_ANSWERS:
        return "두 arm이 모든 시험 영상에 같은 답을 하여, 그 차이는 아무것도 말해 주지 않음"
    said = difference(gain)
    match verdict.kind:
        case VerdictKind.TOO_SMALL:
            groups = f"시험한 target 그룹이 {verdict.target_groups}개로"
            return f"{groups}, 최소 {FEWEST_GROUPS}개가 필요함; {said}"
        case VerdictKind.NOT_REPEATED:
            return f"{said}. 모든 fold에서(--fold all), --seeds 3으로 되풀이할 것"
        case VerdictKind.NO_GAIN:
            uncorrected = gain.deciding.p <= ALPHA
            said += ", 여러 모델에 대한 보정 전에만 0을 벗어남" * uncorrected
            if gain.retrained is None:
                return f"{said}; {UNSHOWABLE}"
            return f"{said}; 이 연구가 검출할 수 있었던 차이는 약 {100 * gain.detectable:.1f}점"
    if translator is None:
        return f"{said}; 변환기 덕분인지 알려면 arm oversampled가 필요함"
    return f"{said}; 변환기 자체의 기여(cyclegan − oversampled)는 {difference(translator)}"


def cautions(verdict: Verdict) -> list[str]:
    """What belongs to a verdict: what moved, what collapsed, how few trainings, what the yardstick says."""
    said = []
    if verdict.claim and verdict.auc:
        said.append(what_moved(verdict.claim, verdict.auc))
        for contrast, words in (
            (verdict.matched, "모든 arm의 문턱값을 특이도 90\u00a0%에 맞추면"),
            (verdict.beyond_prior, "original의 답을 학습 없이 클래스 사전확률로만 보정한 것에 비하면"),
        ):
            if contrast:
                interval = contrast.deciding
                said.append(
                    f"{words} macro-F1 차이는 {points(contrast.interval.estimate)}점({ends(interval)})."
                )
    if verdict.collapsed:
        said.append(
            f"주의해서 읽을 것: 이 판정에 쓰인 학습 {verdict.cells}개 중 {verdict.collapsed}개가 답의 "
            "90\u00a0% 이상을 한 클래스로만 함."
        )
    if verdict.claim and verdict.seeds == 1:
        said.append("자리마다 학습이 한 번뿐임; 믿기 전에 --seeds 3으로 되풀이할 것.")
    if verdict.left_out:
        names = ", ".join(title(model) for model in verdict.left_out)
        said.append(
            f"이 평균에는 이 연구에서 함께 학습한 {names}이(가) 빠져 있음; 미리 정해 두지 않은 네트워크의 "
            "평균은 아무것도 보여 주지 않음."
        )
    if verdict.shared:
        folds, seeds = verdict.shared
        said.append(f"모든 네트워크가 공통으로 가진 fold {folds}개와 seed {seeds}개의 평균임.")
    if verdict.below_yardstick:
        said.append(
            f"이 네트워크를 학습한 arm {verdict.arms}개 중 {verdict.below_yardstick}개의 macro-F1이 "
            "고정된 특징 위의 선형 모델(기준선)보다 낮음."
        )
    return said


def what_moved(gain: Contrast, auc: Contrast) -> str:
    """Whether the ranking of scans moved with macro-F1, or only how often the target is answered."""
    again = auc.deciding
    ranking = f"AUC {points(again.estimate)}점({ends(again)})"
    return MOVED[auc.shown * gain.shown].format(ranking)


def outcome(summary: Summary) -> str:
    """What became of the question, on the mean of the networks and on each, and where the yardstick lies."""
    verdicts = list(summary.verdicts.values())
    said: dict[str, list[str]] = {}
    for verdict in verdicts:
        said.setdefault(headline(verdict), []).append(title(verdict.model))
    sentence = "; ".join(f"{', '.join(models)}: {words}" for words, models in said.items())
    sentence = f"{sentence}{_unseen(verdicts)}."
    if together := _together(summary):
        sentence = f"{together} 네트워크별로는 {sentence}"
    if summary.yardstick is None:
        return sentence
    low, total = len(below(summary.table, summary.yardstick)), sum(row.arm.trains for row in summary.table)
    mark = 100 * (summary.yardstick.metrics[PRIMARY] or 0)
    return (
        f"{sentence} 네트워크를 학습한 arm {total}개 중 {low}개가 고정된 특징 위의 선형 "
        f"모델(macro-F1 {mark:.1f}\u00a0%)보다 낮음."
    )


def _together(summary: Summary) -> str:
    """The verdict on the mean of the networks, and what added scans, and the translator alone, move there."""
    verdict = summary.together
    if verdict is None or verdict.gain is None or verdict.gain.retrained is None:
        return ""
    said = f"네트워크 {len(summary.models)}개의 평균에서 {headline(verdict)}"
    said += f": macro-F1 차이는 {_points(verdict.gain)}"
    if verdict.translator:
        said += f", 단순 반복에 비하면 {_points(verdict.translator)}"
    return f"{said}{_unseen([verdict])}."


def _unseen(verdicts: Sequence[Verdict]) -> str:
    """How large a gain may have gone unseen, where none was detected."""
    least = unseen(verdicts)
    if least is None:
        return ""
    return f"; {UNSHOWABLE}" if least == inf else f"; {100 * least:.1f}점보다 작은 참된 이득은 놓치기 쉬움"


def _points(contrast: Contrast) -> str:
    interval = contrast.deciding
    return f"{points(interval.estimate)}점(95\u00a0% 구간 {ends(interval)})"
