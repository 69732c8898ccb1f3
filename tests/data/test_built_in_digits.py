"""The digits that come with scikit-learn, and what is said of them."""

import numpy as np
from sklearn.datasets import load_digits as sklearn_digits

from sunhwan.data.built_in_digits import BUILT_IN_DIGITS, in_english, in_korean, load_digits


def test_images_and_their_descriptions() -> None:
    data = sklearn_digits()
    for name in BUILT_IN_DIGITS:
        images, texts = load_digits(name)
        assert (images.shape, images.dtype) == ((1797, 8, 8), np.float32)
        np.testing.assert_array_equal(images * 16, data.images)
        assert len(set(texts)) == 10
        by_text = dict(zip(texts, data.target.tolist(), strict=True))
        assert [by_text[text] for text in texts] == data.target.tolist()


def test_what_is_said() -> None:
    assert in_english(7) == "a handwritten seven, which is odd"
    assert in_english(0) == "a handwritten zero, which is even"
    said = [in_korean(digit) for digit in range(10)]
    # 은 after a consonant, 는 after a vowel.
    assert [text.split()[2] for text in said] == [
        "영은", "일은", "이는", "삼은", "사는", "오는", "육은", "칠은", "팔은", "구는",
    ]  # fmt: skip
    assert [text.endswith("홀수다") for text in said] == [bool(digit % 2) for digit in range(10)]
