"""Words in C: each by its own vector and by its letters, as `WordInput` reads them."""

import re

from sunhwan.exporting.c.coding import LOOK_UP, tokens
from sunhwan.exporting.c.functions import floats
from sunhwan.exporting.c.parts import filled
from sunhwan.exporting.predictor_programs import Words
from sunhwan.tasks.common.word_input import WordsKind

READ = """\
/* A word's vector, and what the readers of its letters (-1 behind the last) end in. */
static void read_word(struct NAME *m, int word, const int *letters, int t)
{
    float *out = m->a + t * STEP;
    int count = 0;
    for (int j = 0; j < WIDTH; j++) out[j] = FACTORTABLE[word * WIDTH + j];
    out += WIDTH;
    for (int j = 0; j < SIZE + SIZE; j++) out[j] = 0.0f;
    while (count < UPPER_LETTERS && letters[count] >= 0) count++;
BEGIN
    for (int n = 0; n < count; n++) onward(m, LETTER_TABLE + letters[n] * LETTER, out);
    for (int n = count; n--;) backward(m, LETTER_TABLE + letters[n] * LETTER, out + SIZE);
CODE}

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

/* The words of a text to m->a; how many they are, -1 for too many or one of 256 bytes or more. */
static int read_text(struct NAME *m, const char *text)
{
    int steps = 0;
    while (*text) {
        const int size = word_size(text);
        if (size) {
            char word[256];
            int letters[UPPER_LETTERS];
            if (steps == UPPER_STEPS || size >= (int)sizeof word) return -1;
            memcpy(word, text, (size_t)size);
            word[size] = 0;
            spell(word, letters);
            read_word(m, word_of(word, size), letters, steps);
            steps++;
        }
        text += size ? size : space_of(text);
    }
    return steps;
}

"""


def read_code(words: Words, begin: str, factor: str, code: str) -> str:
    """The function `read_word`, and the vectors of letters; code: a statement at its end, or none."""
    size, width = words.onward.output, words.table.shape[1]
    made = READ.replace("FACTOR", factor).replace("BEGIN", begin).replace("CODE", code)
    sizes: dict[str, object] = {
        "STEP": width + 2 * size, "WIDTH": width, "SIZE": size, "LETTER": words.letters.shape[1],
        "LETTER_TABLE": "LETTERS",
    }  # fmt: skip
    return floats("LETTERS", words.letters) + "\n\n" + filled(made, sizes)


def known_words(kind: WordsKind) -> str:
    """The words, and how one is found."""
    look_up = re.sub(r"\b(TOKENS|ORDER|UNKNOWN)\b", r"WORD_\1", LOOK_UP)
    look_up = look_up.replace("token_of", "word_of").replace("The token of", "The word of")
    return tokens(kind.words, "WORD_") + look_up
