"""The code in C99 of poolings, and of what predictors do with the outputs of their recurrence."""

POOLS = {
    "last": """\
    for (int j = 0; j < SIZE; j++) v[j] = steps ? y[(j < HALF ? steps - 1 : 0) * STRIDE + j] : 0.0f;
""",
    "mean": """\
    for (int j = 0; j < SIZE; j++) v[j] = 0.0f;
    for (int t = 0; t < steps; t++)
        for (int j = 0; j < SIZE; j++) v[j] += y[t * STRIDE + j];
    for (int j = 0; j < SIZE; j++) v[j] /= (float)(steps ? steps : 1);
""",
    "max": """\
    for (int j = 0; j < SIZE; j++) v[j] = steps ? y[j] : 0.0f;
    for (int t = 1; t < steps; t++)
        for (int j = 0; j < SIZE; j++) v[j] = fmaxf(v[j], y[t * STRIDE + j]);
""",
    "attention": """\
    float top = -INFINITY, total = 0.0f;
    for (int j = 0; j < SIZE; j++) v[j] = 0.0f;
    for (int t = 0; t < steps; t++) {
        score(m, y + t * STRIDE, m->weights + t);
        top = fmaxf(top, m->weights[t]);
    }
    for (int t = 0; t < steps; t++) {
        m->weights[t] = expf(m->weights[t] - top);
        total += m->weights[t];
    }
    for (int t = 0; t < steps; t++)
        for (int j = 0; j < SIZE; j++) v[j] += m->weights[t] / total * y[t * STRIDE + j];
""",
}
"""The body of each pooling: y (steps, STRIDE) → v (SIZE)."""

CLASSIFY = """\
/* The label of what was pooled, and of what is in m->codes. */
static int label_of(struct NAME *m, int steps, float *logits)
{
    int best = 0;
BOTH    head(m, m->v, logits);
BESIDE
    for (int n = 1; n < UPPER_LABELS; n++)
        if (logits[n] > logits[best]) best = n;
    return best;
}

"""

CLASSIFY_ONE = """\
int NAME_predict(struct NAME *m, GIVEN, float *logits)
{
    if (steps < 0 || steps > UPPER_STEPS) return -1;
    if (fill(m, PASSED)) return -1;
    pool(m, run(m, steps), steps, m->v);
    return label_of(m, steps, logits);
}

"""

CLASSIFY_PAIR = """\
int NAME_predict(struct NAME *m, GIVEN, GIVEN_2, float *logits)
{
    if (steps < 0 || steps > UPPER_STEPS || steps_2 < 0 || steps_2 > UPPER_STEPS) return -1;
    if (fill(m, PASSED)) return -1;
    pool(m, run(m, steps), steps, m->v);
    if (fill(m, PASSED_2)) return -1;
    pool(m, run(m, steps_2), steps_2, m->v + VECTOR);
    return label_of(m, steps, logits);
}

"""

BOTH = """\
    for (int j = 0; j < VECTOR; j++) {
        m->v[2 * VECTOR + j] = fabsf(m->v[j] - m->v[VECTOR + j]);
        m->v[3 * VECTOR + j] = m->v[j] * m->v[VECTOR + j];
    }
"""
"""Of a pair both vectors, how far apart they are, and their product."""

CLASSIFY_TEXT = """\
int NAME_text(struct NAME *m, const char *text, float *logits)
{
    const int steps = read_text(m, text);
    if (steps < 0) return -1;
    pool(m, run(m, steps), steps, m->v);
    return label_of(m, steps, logits);
}

"""

CLASSIFY_TEXTS = """\
int NAME_text(struct NAME *m, const char *text, const char *text_2, float *logits)
{
    int steps = read_text(m, text);
    if (steps < 0) return -1;
    pool(m, run(m, steps), steps, m->v);
    steps = read_text(m, text_2);
    if (steps < 0) return -1;
    pool(m, run(m, steps), steps, m->v + VECTOR);
    return label_of(m, steps, logits);
}

"""

TAG = """\
static int finish(struct NAME *m, int steps, float *emissions, int *labels)
{
    const float *y = run(m, steps);
    for (int t = 0; t < steps; t++) head(m, y + t * STRIDE, emissions + t * UPPER_LABELS);
    decode(m, emissions, steps, labels);
    return steps;
}

int NAME_predict(struct NAME *m, GIVEN, float *emissions, int *labels)
{
    if (steps < 0 || steps > UPPER_STEPS) return -1;
    if (fill(m, PASSED)) return -1;
    return finish(m, steps, emissions, labels);
}

"""

TAG_TEXT = """\
int NAME_text(struct NAME *m, const char *text, float *emissions, int *labels)
{
    const int words = read_text(m, text);
    return words < 0 ? -1 : finish(m, words, emissions, labels);
}

"""

BY_STEP = """\
static void decode(struct NAME *m, const float *e, int steps, int *labels)
{
    (void)m;
    for (int t = 0; t < steps; t++, e += UPPER_LABELS) {
        labels[t] = 0;
        for (int n = 1; n < UPPER_LABELS; n++)
            if (e[n] > e[labels[t]]) labels[t] = n;
    }
}

"""

VITERBI = """\
/* The labels with the largest score together (Viterbi's algorithm). */
static void decode(struct NAME *m, const float *e, int steps, int *labels)
{
START
MOVES
END
    float best[UPPER_LABELS], after[UPPER_LABELS];
    int label = 0;
    if (!steps) return;
    for (int n = 0; n < UPPER_LABELS; n++) best[n] = start[n] + e[n];
    for (int t = 1; t < steps; t++) {
        for (int n = 0; n < UPPER_LABELS; n++) {
            int from = 0;
            for (int k = 1; k < UPPER_LABELS; k++)
                if (best[k] + moves[k * UPPER_LABELS + n] > best[from] + moves[from * UPPER_LABELS + n])
                    from = k;
            m->origin[t * UPPER_LABELS + n] = (unsigned short)from;
            after[n] = best[from] + moves[from * UPPER_LABELS + n] + e[t * UPPER_LABELS + n];
        }
        memcpy(best, after, sizeof best);
    }
    for (int n = 1; n < UPPER_LABELS; n++)
        if (best[n] + end[n] > best[label] + end[label]) label = n;
    for (int t = steps; t--; label = m->origin[t * UPPER_LABELS + label]) labels[t] = label;
}

"""

FORECAST = """\
int NAME_predict(struct NAME *m, GIVEN, float *quantiles)
{
    const float *y;
    if (steps < UPPER_HORIZON || steps > UPPER_STEPS) return -1;
    if (fill(m, PASSED)) return -1;
    y = run(m, steps) + (steps - UPPER_HORIZON) * STRIDE;
    for (int t = 0; t < UPPER_HORIZON; t++, quantiles += UPPER_QUANTILES) {
        head(m, y + t * STRIDE, quantiles);
        for (int n = 1; n < UPPER_QUANTILES; n++)
            for (int k = n; k && quantiles[k] < quantiles[k - 1]; k--) {
                const float other = quantiles[k];
                quantiles[k] = quantiles[k - 1];
                quantiles[k - 1] = other;
            }
    }
    return UPPER_HORIZON;
}

"""
