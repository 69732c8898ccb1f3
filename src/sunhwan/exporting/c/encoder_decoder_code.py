"""The code in C99 of an encoder-decoder: initial state of the decoder, a step, greedy decoding."""

ATTEND = """\
/* The mean of what was read, weighted by how well each step fits the query. */
static void attend(struct NAME *m, const float *query, float *context)
{
    float top = -INFINITY, total = 0.0f;
ASK    for (int j = 0; j < STRIDE; j++) context[j] = 0.0f;
    for (int t = 0; t < m->steps; t++) {
SCORE
        top = fmaxf(top, m->weights[t]);
    }
    for (int t = 0; t < m->steps; t++) {
        m->weights[t] = expf(m->weights[t] - top);
        total += m->weights[t];
    }
    for (int t = 0; t < m->steps; t++) {
        m->weights[t] /= total;
        for (int j = 0; j < STRIDE; j++) context[j] += m->weights[t] * m->ROWS[t * STRIDE + j];
    }
}

"""
ASK = """\
    float asked[WIDE], sum[WIDE];
    ask(m, query, asked);
"""
ADDITIVE = """\
        for (int j = 0; j < WIDE; j++) sum[j] = m->projected[t * WIDE + j] + asked[j];
        fits(m, sum, m->weights + t);"""
PRODUCT = """\
        m->weights[t] = 0.0f;
        for (int j = 0; j < WIDE; j++) m->weights[t] += m->KEYS[t * WIDE + j] * query[j];"""

START = """\
/* The decoder's initial state of the vectors in m->a. */
static void start(struct NAME *m, int steps)
{
    float values[FIRST];
    pool(m, run(m, steps), steps, m->v);
    first(m, m->v, values);
RESET
}

int NAME_begin(struct NAME *m, PARAMETERS)
{
    if (COUNT < 0 || COUNT > UPPER_STEPS) return -1;
    if (fill(m, ARGUMENTS)) return -1;
    start(m, COUNT);
    return COUNT;
}

"""

STEP = """\
void NAME_step(struct NAME *m, int token, float *logits)
{
TAKEN
    head(m, m->VECTORS, logits);
}

int NAME_write(struct NAME *m, NAME_put put, void *to)
{
    float logits[UPPER_VOCABULARY];
    int token = EOS, count = 0;
    m->held = 0;
    while (count < UPPER_LIMIT) {
        NAME_step(m, token, logits);
        token = UNKNOWN == 0;
        for (int n = token + 1; n < UPPER_VOCABULARY; n++)
            if (n != UNKNOWN && logits[n] > logits[token]) token = n;
        if (token == EOS) break;
        say(m, token, put, to);
        count++;
    }
    say_rest(m, put, to);
    return count;
}

"""

TEXT = """\
int NAME_text(struct NAME *m, const char *text, NAME_put put, void *to)
{
    const int steps = read_text(m, text);
    if (steps < 0) return -1;
    start(m, steps);
    return NAME_write(m, put, to);
}

"""

DECLARED = """\
enum { UPPER_VOCABULARY = SIZE, UPPER_EOS = END, UPPER_LIMIT = MOST };

/* Called with each piece of text as soon as it is certain. */
typedef void (*NAME_put)(const char *text, void *to);

/* Encodes the input and sets the decoder's initial state; returns the number of steps,
 * -1 if too manyREFUSED. */
int NAME_begin(struct NAME *m, PARAMETERS);

/* One decoder step: the previous token, UPPER_EOS before the first, to the logits of the next. */
void NAME_step(struct NAME *m, int token, float *logits);

/* Greedy decoding: the text goes to put; returns the number of tokens. */
int NAME_write(struct NAME *m, NAME_put put, void *to);

/* The tokens of an answer, at most so many as there is room for; how many they are. */
int NAME_encode_written(const char *text, int *tokens, int room);
"""
DECLARED_TEXT = """\

/* Reading a text and writing about it at once, -1 if it is too long, or a word that is read by its letters
 * has 256 bytes or more. */
int NAME_text(struct NAME *m, const char *text, NAME_put put, void *to);
"""
