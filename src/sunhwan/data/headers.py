"""Whether the first row of a table names its columns."""

from collections.abc import Sequence

from sunhwan.data.numbers import is_number

LONGEST_NAME = 40

# fmt: off
WELL_KNOWN = frozenset((
    "text", "document", "sentence", "sentence1", "sentence2", "review", "message", "content",
    "body", "comment", "title", "utterance", "premise", "hypothesis", "word", "token",
    "label", "labels", "class", "target", "tag", "category", "sentiment", "intent", "rating",
    "score", "question", "answer", "q", "a", "prompt", "response", "input", "output",
    "source", "src", "trg", "tgt", "translation", "english", "korean", "en", "ko", "eng", "kor",
    "file", "path", "image", "transcript", "article", "summary", "caption", "description",
    "id", "idx", "index", "name", "value", "date", "time", "datetime", "timestamp", "ds", "day",
    "month", "quarter", "year",
    "문장", "본문", "내용", "텍스트", "글", "제목", "리뷰", "댓글", "메시지", "발화", "질문", "답변",
    "대답", "응답", "분류", "라벨", "레이블", "정답", "범주", "감정", "의도", "평점", "점수", "원문",
    "번역", "번역문", "요약", "설명", "그림", "한국어", "영어", "번호", "이름", "값", "날짜", "일자",
    "일시", "시간", "시각", "연도", "월",
))
# fmt: on
"""Names that columns usually have, in lower case."""


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns.

    It does when its cells are distinct, short and no numbers, none but the first empty, and when
    besides one of them is a usual name of a column, or stands over a column of numbers alone. A
    usual name of one letter counts only beside another usual name.
    """
    cells = [cell.strip() for cell in rows[0]]
    if (
        not all(cells[1:])
        or len(set(cells)) < len(cells)
        or any(is_number(cell) or len(cell) > LONGEST_NAME for cell in cells)
    ):
        return False
    known = [cell for cell in cells if cell.lower() in WELL_KNOWN]
    if len(known) > 1 or any(len(cell) > 1 for cell in known):
        return True
    return any(
        bool(cell) and _is_numeric([row[place] for row in rows[1:] if place < len(row)])
        for place, cell in enumerate(cells)
    )


def _is_numeric(cells: Sequence[str]) -> bool:
    """Numbers, with holes perhaps."""
    return any(map(is_number, cells)) and all(not cell or is_number(cell) for cell in cells)
