"""The report's page in Korean: its headings and its verdict; tables, figures and notes stay as they are."""

from dataclasses import replace

from ..results import korean
from ..results.model import MEAN, Summary
from .model import Block, Card, Cards, Definitions, Page, Paragraph, Section, Strong
from .terms import title

TITLES = {  # address of a section → its title
    "verdict": "판정",
    "effects": "효과",
    "results": "결과",
    "external": "외부 자료 시험",
    "curves": "ROC와 보정(calibration)",
    "confusion": "혼동 행렬",
    "errors": "가장 큰 오류",
    "changes": "답이 바뀌는 영상",
    "looks": "분류기가 보는 곳",
    "translator": "변환기",
    "cohort": "자료(코호트)",
    "audit": "누출 감사",
    "inflation": "영상 단위로 나누었다면 주장했을 결과",
    "limits": "이 연구가 말할 수 없는 것",
    "methods": "논문에 쓸 방법 문단",
    "cost": "비용",
    "repeat": "되풀이하는 법",
    "files": "이 쪽과 함께 있는 파일",
    "claim": "CLAIM 2024",
}
TERMS = {
    "Data": "자료",
    "Cohort": "코호트",
    "Tested on": "시험",
    "Folds": "fold",
    "Target": "target 클래스",
    "Effort": "노력",
}
NOTE = (
    "Macro-F1은 드문 클래스도 똑같은 무게로 셈하며, 1점은 백분의 일이다. 각 문장은 같은 분류기를 똑같이 "
    "오래 학습하되 합성 {target} 영상을 더한 것(cyclegan)과 더하지 않은 것(original)의 비교이다."
)
PARTLY = (
    "이 쪽은 제목과 판정만 한국어이며, 나머지는 index.html과 같은 영어이다. 연구용이며 진단에 써서는 안 된다."
)


def in_korean(page: Page, summary: Summary, target: str, data: str) -> Page:
    """The page with headings and verdict in Korean; every number is the one of the English page."""
    return replace(
        page,
        title=f"{data}: CycleGAN 균형 보고서",
        kicker="bus · 벤치마크 보고서",
        heading=f"CycleGAN이 만든 {target} 영상은 {data} 자료의 분류기에 도움이 되는가?",
        sections=[_section(section, summary, target) for section in page.sections],
        banners=[[Strong("알림."), f" {PARTLY}"], *page.banners],
        language="ko",
    )


def _section(section: Section, summary: Summary, target: str) -> Section:
    section = replace(section, title=TITLES.get(section.key, section.title))
    if section.key != "verdict":
        return section
    return replace(section, blocks=[_verdict(block, summary, target) for block in section.blocks])


def _verdict(block: Block, summary: Summary, target: str) -> Block:
    """A block of the verdict's section; what it flags stays as it is."""
    match block:
        case Paragraph(tone="lead"):
            return replace(block, text=korean.outcome(summary))
        case Paragraph(tone="note"):
            return replace(block, text=NOTE.format(target=target))
        case Cards():
            pairs = zip(block.cards, summary.judged, strict=True)
            return Cards([_card(card, summary, model) for card, model in pairs])
        case Definitions():
            return replace(block, pairs=[(TERMS.get(name, name), said) for name, said in block.pairs])
    return block


def _card(card: Card, summary: Summary, model: str) -> Card:
    verdict = summary.judged[model]
    text = " ".join([f"{korean.reason(verdict)}.", *korean.cautions(verdict)])
    name = "네트워크 평균" if model == MEAN else title(model)
    return replace(card, name=name, headline=korean.headline(verdict), text=text)
