"""Words in C: each by its own vector and by its letters, as `WordInput` reads them."""

import re

from sunhwan.exporting.c.coding import LOOK_UP, encoding, tokens
from sunhwan.exporting.c.functions import floats
from sunhwan.exporting.predictor_programs import Words
from sunhwan.tasks.common.word_input import WordsKind

READ = """\
/* A word's vector, and what the readers of its letters (-1 behind the last) end in. */
static void read_word(struct NAME *m, int word, const int *letters, float *out)
{
    int count = 0;
    for (int j = 0; j < WIDTH; j++) out[j] = FACTORTABLE[word * WIDTH + j];
    out += WIDTH;
    for (int j = 0; j < SIZE + SIZE; j++) out[j] = 0.0f;
    while (count < UPPER_LETTERS && letters[count] >= 0) count++;
BEGIN
    for (int n = 0; n < count; n++) onward(m, LETTER_TABLE + letters[n] * LETTER, out);
    for (int n = count; n--;) backward(m, LETTER_TABLE + letters[n] * LETTER, out + SIZE);
}

"""

TEXT = """\
/* The letters of a word; of a long one the first and the last. */
static void spell(const char *word, int *letters)
{
    int all[256];
    const int count = NAME_encode(word, all, 256), half = UPPER_LETTERS / 2;
    for (int n = 0; n < UPPER_LETTERS; n++)
        letters[n] = count > UPPER_LETTERS ? all[n < half ? n : count - UPPER_LETTERS + n]
                     : n < count           ? all[n]
                                           : -1;
}

int NAME_text(struct NAME *m, const char *text, float *emissions, int *labels)
{
    int steps = 0;
    while (*text) {
        const int size = (int)strcspn(text, " \\t\\n\\r\\f\\v");
        if (size) {
            char word[256];
            int letters[UPPER_LETTERS];
            if (steps == UPPER_STEPS || size >= (int)sizeof word) return -1;
            memcpy(word, text, (size_t)size);
            word[size] = 0;
            spell(word, letters);
            read_word(m, word_of(word, size), letters, m->a + steps * STRIDE_OF_A);
            steps++;
        }
        text += size ? size : 1;
    }
    return finish(m, steps, emissions, labels);
}

"""


def read_code(words: Words, begin: str, factor: str) -> str:
    """The function `read_word`, and the vectors of letters."""
    size = words.onward.output
    code = READ.replace("LETTER_TABLE", "letter_table").replace("FACTOR", factor)
    code = code.replace("UPPER_LETTERS", "upper_letters").replace("BEGIN", begin)
    for word, number in (
        ("WIDTH", words.table.shape[1]), ("SIZE", size), ("LETTER", words.letters.shape[1]),
    ):  # fmt: skip
        code = re.sub(rf"\b{word}\b", str(number), code)
    code = code.replace("letter_table", "LETTERS").replace("upper_letters", "UPPER_LETTERS")
    return floats("LETTERS", words.letters) + "\n\n" + code


def vocabularies(kind: WordsKind, name: str) -> str:
    """The words and how one is found, the letters and how a word is spelled in them."""
    look_up = re.sub(r"\b(TOKENS|ORDER|UNKNOWN)\b", r"WORD_\1", LOOK_UP)
    look_up = look_up.replace("token_of", "word_of").replace("The token of", "The word of")
    return tokens(kind.words, "WORD_") + look_up + encoding(kind.letters, name)
