from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.table.code_pages import likely_code_page

TEXTS = {
    "cp1252": [
        "Où est le café ?",
        "Größe der Tür, bitte",
        "Don\u2019t say \u201cno\u201d",
        "¿Dónde está el niño?",
        "naïve",
    ],
    "cp1250": ["Gdzie jest łódź?", "Příliš žluťoučký kůň"],
    "mac_roman": ["Où est le café ?", "Don\u2019t say \u201cno\u201d"],
    "cp1251": ["Почему небо голубое?", "Привет"],
    "koi8_r": ["Почему небо голубое?", "Привет, как дела?"],
    "cp1253": ["Γιατί είναι μπλε;"],
    "cp932": ["なぜ空は青いのですか?", "東京の人口を教えてください"],
    "gb18030": ["为什么天空是蓝色的?", "写一个快速排序的程序,并解释复杂度。"],
    "big5": ["為什麼天空是藍色的?", "法國的首都是哪裡"],
    "cp949": ["하늘은 왜 파란가요?"],
    "cp1255": ["מהי בירת צרפת?"],
    "cp1256": ["ما هي عاصمة فرنسا؟"],
    "cp874": ["ทำไมท้องฟ้าถึงเป็นสีฟ้า"],
}


@pytest.mark.parametrize(("codec", "text"), [(codec, text) for codec, texts in TEXTS.items() for text in texts])
@pytest.mark.parametrize("around", ["%s", '{"id": "1", "query": "%s", "quality": {"tiny": 1}}'])
def test_an_everyday_question_in_an_old_code_page_is_known(codec: str, text: str, around: str) -> None:
    page = likely_code_page((around % text).encode(codec))
    assert page is not None
    assert page.codec == codec


def test_each_code_page_has_a_name_that_iconv_and_python_know() -> None:
    import codecs

    for codec, (text, *_) in TEXTS.items():
        page = likely_code_page(text.encode(codec))
        assert page is not None
        assert codecs.lookup(page.iconv if page.iconv != "MACINTOSH" else "macintosh")


@given(st.binary())
def test_any_bytes_are_of_some_code_page_or_of_none(text: bytes) -> None:
    page = likely_code_page(text)
    if page is not None:
        text.decode(page.codec)


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_text_is_of_no_code_page(text: str) -> None:
    assert likely_code_page(text.encode()) is None
