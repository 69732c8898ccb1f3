"""The linear model of n-grams in C: `sunhwan.models.ngrams`, n-gram by n-gram."""

import numpy as np

from sunhwan.exporting.c.functions import floats, literal, whole
from sunhwan.exporting.c.parts import SourceParts, filled
from sunhwan.models.ngrams import BASE, PRIME, NgramLinear

CODE = """\
/* The hash of a word, of its letters without marks, unless it is nothing but marks. */
static uint32_t word_code(const int *letters, int count)
{
    const int *kept = FOLDED;
    uint64_t total = 0, power = 1;
    for (int n = 0; n < count; n++)
        if (SPELLED[letters[n]]) kept = SPELLED;
    for (int n = 0; n < count; n++) {
        const int letter = kept[letters[n]];
        if (!letter) continue;
        total += (uint64_t)letter * power;
        power = power * BASE % PRIME;
    }
    return (uint32_t)(total % PRIME);
}

"""

ADD = """\
/* Adds the logits of the linear model of the n-grams, each hashed into one of BUCKETS rows. */
static void add_ngrams(const struct NAME *m, int steps, float *logits)
{
    float sums[UPPER_LABELS], norm = 0.0f;
    for (int k = 0; k < UPPER_LABELS; k++) sums[k] = 0.0f;
    for (int t = 0; t < steps; t++) {
        uint64_t code = 0;
        for (int n = t; n < t + LONGEST && n < steps; n++) {
            int row;
            float f;
            code = (code * BASE + m->codes[n]) % PRIME;
            row = (int)(code % BUCKETS);
            f = FREQUENCY[row];
            norm += f * f;
            for (int k = 0; k < UPPER_LABELS; k++) sums[k] += f * (float)NGRAMS[k * BUCKETS + row];
        }
    }
    norm = fmaxf(sqrtf(norm), 1e-6f);
    for (int k = 0; k < UPPER_LABELS; k++)
        logits[k] = (logits[k] + FACTORsums[k] / norm + BIAS[k])DIVIDED;
}

"""


def add_ngrams(parts: SourceParts, part: NgramLinear, temperature: float) -> None:
    """Add the function `add_ngrams`, which divides by the temperature, too."""
    parts.table(part.weight.numpy().T, "NGRAMS")
    frequency, bias = (value.numpy().astype(np.float32) for value in (part.frequency, part.bias))
    for label, numbers in (("FREQUENCY", frequency), ("BIAS", bias)):
        parts.add_raw(floats(label, numbers) + "\n")
        parts.flash += 4 * numbers.size
    code = ADD.replace("FACTOR", parts.scaled("NGRAMS", "k"))
    code = code.replace("DIVIDED", "" if temperature == 1.0 else f" / {literal(temperature)}")
    parts.add(filled(code, _numbers(part)))


def add_word_codes(parts: SourceParts, part: NgramLinear) -> None:
    """Add the function `word_code`; id −1, no letter, is never asked about."""
    for label, ids in (("FOLDED", part.folded), ("SPELLED", part.spelled)):
        parts.add_raw(whole(label, ids[:-1].numpy()) + "\n")
        parts.flash += 4 * (len(ids) - 1)
    parts.add(filled(CODE, _numbers(part)))


def _numbers(part: NgramLinear) -> dict[str, object]:
    return {
        "BASE": f"{BASE}u", "PRIME": f"{PRIME}u", "LONGEST": part.longest, "BUCKETS": part.buckets,
    }  # fmt: skip
