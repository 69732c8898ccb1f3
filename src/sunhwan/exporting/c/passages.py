"""Question answering in C: the weight of every word of a passage, the word that answers, its sentence."""

from sunhwan.exporting.c.functions import whole
from sunhwan.exporting.c.predictor_source import Ending, pool_of
from sunhwan.exporting.c.reading import Texts
from sunhwan.exporting.predictor_programs import query_program
from sunhwan.tasks.answer.passage_words import CLOSING, ENDS, MARKS
from sunhwan.tasks.answer.task import AnswerQuestions

DECLARED = """\
/* The weights of the words of a passage, 0 to 1; how many words there are, -1 for too many. */
int NAME_predict(struct NAME *m, GIVEN, GIVEN_2, float *weights);

/* An answer: the number of its word in the passage (-1: there are no words), the sum of the weights of all
 * words equal to it, and the numbers of the first and the last word of the sentence it is from. */
struct NAME_answer {
    int word, first, last;
    float probability;
};

/* The same of texts, with the answer; -1 for a word of 256 bytes or more, too. */
int NAME_text(struct NAME *m, const char *passage, const char *question, float *weights,
              struct NAME_answer *answer);

/* Where the word of this number begins in a passage, without marks around it; its bytes. */
const char *NAME_word(const char *passage, int number, int *size);
"""

USAGE = """\
 *   static struct NAME m;
 *   static float weights[UPPER_STEPS];
 *   struct NAME_answer answer;
 *   NAME_text(&m, passage, question, weights, &answer);   in UTF-8, form NFC
 *   const char *word = NAME_word(passage, answer.word, &size);"""

WEIGHTS = """\
/* How much each step of the passage in m->a is looked at; the vector of the question is in m->v. */
static int look(struct NAME *m, int steps, float *weights)
{
    float query[STRIDE], top = -INFINITY, total = 0.0f;
    const float *y = run(m, steps);
    head(m, m->v, query);
    for (int t = 0; t < steps; t++) {
        weights[t] = 0.0f;
        for (int j = 0; j < STRIDE; j++) weights[t] += query[j] * y[t * STRIDE + j];
        top = fmaxf(top, weights[t]);
    }
    for (int t = 0; t < steps; t++) {
        weights[t] = expf(weights[t] - top);
        total += weights[t];
    }
    for (int t = 0; t < steps; t++) weights[t] /= total;
    return steps;
}

int NAME_predict(struct NAME *m, GIVEN, GIVEN_2, float *weights)
{
    if (steps < 0 || steps > UPPER_STEPS || steps_2 < 0 || steps_2 > UPPER_STEPS) return -1;
    if (fill(m, PASSED_2)) return -1;
    pool(m, run(m, steps_2), steps_2, m->v);
    if (fill(m, PASSED)) return -1;
    return look(m, steps, weights);
}

"""

WORDS = """\
/* A part of a text. */
struct part {
    const char *begin, *end;
};

/* The character that begins here; afterwards the next one does. */
static int32_t take_character(const char **text)
{
    char letter[5];
    const char *next = letter + 1;
    int32_t code;
    *text += take(*text, letter);
    code = (unsigned char)*letter;
    if (code >= 0xc0) code &= code < 0xe0 ? 31 : code < 0xf0 ? 15 : 7;
    while (*next) code = code << 6 | (*next++ & 63);
    return code;
}

static int is_one_of(int32_t code, const int *codes, int count)
{
    for (int n = 0; n < count; n++)
        if (codes[n] == code) return 1;
    return 0;
}

/* A part without these characters at its end. */
static struct part without_last(struct part p, const int *codes, int count)
{
    while (p.begin < p.end) {
        const char *last = p.end - 1, *at;
        while (last > p.begin && (*last & 0xc0) == 0x80) last--;
        at = last;
        if (!is_one_of(take_character(&at), codes, count)) break;
        p.end = last;
    }
    return p;
}

/* A word without the marks around it; marks alone stay. */
static struct part bare(struct part word)
{
    const int count = (int)(sizeof MARKS / sizeof *MARKS);
    struct part p = without_last(word, MARKS, count);
    while (p.begin < p.end) {
        const char *next = p.begin;
        if (!is_one_of(take_character(&next), MARKS, count)) return p;
        p.begin = next;
    }
    return word;
}

/* Whether a sentence ends with this word. */
static int ends_sentence(struct part word)
{
    const struct part p = without_last(word, CLOSING, (int)(sizeof CLOSING / sizeof *CLOSING));
    return without_last(p, ENDS, (int)(sizeof ENDS / sizeof *ENDS)).end < p.end;
}

/* A character in small letters, of which there are up to three (Unicode's full case folding). */
static int folded(int32_t code, int32_t *out)
{
    for (int n = 0; n < (int)(sizeof FOLDS / sizeof *FOLDS); n += 4) {
        const int32_t ahead = code - FOLDS[n];
        if (ahead < 0 || code > FOLDS[n + 1] || ahead % FOLDS[n + 2]) continue;
        out[0] = code + FOLDS[n + 3];
        return 1;
    }
    for (int n = 0; n < (int)(sizeof LONG_FOLDS / sizeof *LONG_FOLDS); n += 4) {
        if (code != LONG_FOLDS[n]) continue;
        for (int k = 0; k < 3; k++) out[k] = LONG_FOLDS[n + 1 + k];
        return out[2] ? 3 : 2;
    }
    out[0] = code;
    return 1;
}

/* Whether two words are equal but for marks around them and capitals. */
static int same(struct part a, struct part b)
{
    int32_t left[3], right[3];
    int lefts = 0, rights = 0, l = 0, r = 0;
    a = bare(a);
    b = bare(b);
    for (;;) {
        if (l == lefts && a.begin < a.end) lefts = folded(take_character(&a.begin), left), l = 0;
        if (r == rights && b.begin < b.end) rights = folded(take_character(&b.begin), right), r = 0;
        if (l == lefts || r == rights) return l == lefts && r == rights;
        if (left[l++] != right[r++]) return 0;
    }
}

/* The first word from here on; an empty part where there is none. */
static struct part next_word(const char *text)
{
    struct part word;
    while (space_of(text)) text += space_of(text);
    word.begin = text;
    word.end = text + word_size(text);
    return word;
}

const char *NAME_word(const char *passage, int number, int *size)
{
    struct part word = next_word(passage);
    while (number-- > 0) word = next_word(word.end);
    word = bare(word);
    *size = (int)(word.end - word.begin);
    return word.begin;
}

/* The word whose equals have the largest weight together, in the sentence that has most of it. */
static void choose(const char *passage, int steps, const float *weights, struct NAME_answer *answer)
{
    struct part best = { 0, 0 }, word = next_word(passage);
    float most = -1.0f, sum = 0.0f;
    int first = 0, here = -1;
    answer->word = answer->first = answer->last = -1;
    answer->probability = 0.0f;
    for (int n = 0; n < steps; n++, word = next_word(word.end)) {
        struct part other = next_word(passage);
        float total = 0.0f;
        int k = 0;
        for (; k < n && !same(other, word); k++) other = next_word(other.end);
        if (k < n) continue;
        for (; k < steps; k++, other = next_word(other.end))
            if (same(other, word)) total += weights[k];
        if (n && total <= answer->probability) continue;
        answer->probability = total;
        best = word;
    }
    word = next_word(passage);
    for (int n = 0; n < steps; n++, word = next_word(word.end)) {
        sum += weights[n];
        if (here < 0 && same(word, best)) here = n;
        if (n + 1 < steps && !ends_sentence(word)) continue;
        if (here >= 0 && sum > most) {
            most = sum;
            answer->word = here;
            answer->first = first;
            answer->last = n;
        }
        first = n + 1;
        sum = 0.0f;
        here = -1;
    }
}

int NAME_text(struct NAME *m, const char *passage, const char *question, float *weights,
              struct NAME_answer *answer)
{
    int steps = read_text(m, question);
    if (steps < 0) return -1;
    pool(m, run(m, steps), steps, m->v);
    steps = read_text(m, passage);
    if (steps < 0) return -1;
    look(m, steps, weights);
    choose(passage, steps, weights, answer);
    return steps;
}

"""


def answer_ending(task: AnswerQuestions, name: str) -> Ending:
    """What the file of a model that answers does with the outputs of its recurrence."""
    texts = Texts.of(task.input_kind, name)
    assert texts is not None
    return Ending(
        {}, USAGE, "\n".join([DECLARED, *texts.declared[1:]]) + "\n", WEIGHTS + _tables() + WORDS,
        pool=pool_of(task.model.pooling), texts=texts, head=query_program(task.model.attention),
    )  # fmt: skip


def _tables() -> str:
    """Marks, and how characters become small letters."""
    marks = [
        whole(name, [*map(ord, "".join(texts))])
        for name, texts in (("MARKS", MARKS), ("CLOSING", CLOSING), ("ENDS", ENDS))
    ]
    runs, long = list[list[int]](), list[int]()
    for code in range(0x110000):
        if chr(code).casefold() == chr(code) or 0xD800 <= code < 0xE000:
            continue
        small = [*map(ord, chr(code).casefold())]
        if len(small) > 1:
            long += [code, *small, 0][:4]
            continue
        step, by = code - runs[-1][1] if runs else 0, small[0] - code
        if runs and runs[-1][3] == by and step in (1, 2) and runs[-1][2] in (0, step):
            runs[-1][1:3] = code, step
        else:
            runs.append([code, code, 0, by])
    folds = [number for first, last, step, by in runs for number in (first, last, step or 1, by)]
    tables = [*marks, whole("FOLDS", folds), whole("LONG_FOLDS", long)]
    return "\n".join(tables) + "\n\n"
