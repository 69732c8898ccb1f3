"""The source of a language model in C99."""

from typing import NamedTuple

from sunhwan import __version__
from sunhwan.exporting.c.coding import coding, named
from sunhwan.exporting.c.functions import PRODUCTS, c_function, floats, in_bytes, literal
from sunhwan.exporting.whole import WholeStep
from sunhwan.generation import LineBreak
from sunhwan.text import Vocabulary

HEAD = """\
/* {about}
 *
 * Made by sunhwan {version}. C99, nothing but the standard library and libm, no allocation.
 *
 *   flash       {flash:,} bytes of weights
 *   RAM         {ram:,} bytes: struct {name} and {V} logits
 *   operations  {operations:,} additions and multiplications a token in the matrix products
 *
 * The state belongs to the caller; there may be any number of them.
 *
 *   static struct {name} m;
 *   static float logits[{upper}_VOCABULARY];
 *   {name}_begin(&m);
 *   {name}_step(&m, token, logits);              logits of the next token
 *   {name}_write(&m, "Once", 200, 0, 1, put, 0); text, through put(bytes, to)
 *
 * Texts are UTF-8; CR and CR LF are a line end, letters of Hangul that stand apart their syllable; other
 * marks belong to their letters (Unicode's form NFC). Compiled with -D{upper}_MAIN it is a program:
 *
 *   cc -O2 -D{upper}_MAIN {name}.c -lm -o {name} && ./{name} "Once upon" 200
 *
 * On an Arduino, in a sketch beside this file:
 *
 *   extern "C" {{
 *   #define {upper}_HEADER
 *   #include "{name}.c"
 *   }}
 *   static struct {name} m;
 *   static void put(const char *text, void *) {{ Serial.print(text); }}
 *   void setup() {{ Serial.begin(115200); {name}_begin(&m); }}
 *   void loop() {{ {name}_write(&m, "", 100, 0.7f, micros(), put, 0); }}
 */
#ifndef {upper}_DECLARED
#define {upper}_DECLARED

enum {{ {upper}_VOCABULARY = {V} }};

/* What was read so far, and room for a step. */
struct {name} {{
{fields}
    int held;
}};

/* Takes a piece of text as soon as it is certain. */
typedef void (*NAME_put)(const char *text, void *to);

/* The state before the first token. */
void NAME_begin(struct NAME *m);

/* Reads a token (0 ... {upper}_VOCABULARY - 1) and gives the logits of the next one. */
void NAME_step(struct NAME *m, int token, float *logits);

/* The tokens of a text, at most so many as there is room for; how many they are. */
int NAME_encode(const char *text, int *tokens, int room);

/* Goes on from a prompt of any length: always the likeliest token at temperature 0, else drawn; the same
 * seed (not 0) draws the same text. It begins anew with each call. */
void NAME_write(struct NAME *m, const char *prompt, int tokens, float temperature, unsigned seed,
                NAME_put put, void *to);

#endif
#ifndef {upper}_HEADER

#include <math.h>
#include <string.h>

"""

WRITE = """\
/* A token: the likeliest, or one drawn with the chance of softmax(logits / temperature). */
static int chosen(float *logits, float temperature, unsigned *seed)
{{
    int best = 0;
    float total = 0.0f, left;
    for (int n = 1; n < {upper}_VOCABULARY; n++)
        if (logits[n] > logits[best]) best = n;
    if (temperature <= 0.0f) return best;
    for (int n = {upper}_VOCABULARY; n--;) {{
        if (n != best) logits[n] = expf((logits[n] - logits[best]) / temperature);
        if (n != best) total += logits[n];
    }}
    logits[best] = 1.0f;
    total += 1.0f;
    *seed ^= *seed << 13 & 0xffffffffu;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5 & 0xffffffffu;
    left = (float)(*seed >> 8) / 16777216.0f * total;
    for (int n = 0; n < {upper}_VOCABULARY; n++) {{
        left -= logits[n];
        if (left < 0.0f) return n;
    }}
    return best;
}}

/* The step of a text{line_comment}. */
static void next_of(struct NAME *m, int token, float *logits)
{{
{line}    NAME_step(m, token, logits);
}}

void NAME_write(struct NAME *m, const char *prompt, int tokens, float temperature, unsigned seed,
                NAME_put put, void *to)
{{
    static const int before[] = {{ {before} }};
    float logits[{upper}_VOCABULARY];
    int count = 0;
    NAME_begin(m);
    for (int n = 0; n < {upper}_VOCABULARY; n++) logits[n] = 0.0f;
    for (int n = 0; {always} && n < {befores}; n++) next_of(m, before[n], logits);
    while (*prompt) {{
        int unit[UNIT];
        const int units = next_tokens(&prompt, unit);
        for (int n = 0; n < units; n++) {{
            next_of(m, unit[n], logits);
            say(m, unit[n], silent, to);
        }}
        count += units;
    }}
    for (int n = 0; !{always} && !count && n < {befores}; n++) next_of(m, before[n], logits);
    for (int n = 0; n < tokens; n++) {{
        int token;
        for (int k = 0; k < {upper}_VOCABULARY; k++)
            if (k == UNKNOWN || (!n && joins(m, k))) logits[k] = -INFINITY;
        token = chosen(logits, temperature, &seed);
        if (!n) forget(m);
        say(m, token, put, to);
        if (n + 1 < tokens) next_of(m, token, logits);
    }}
    say_rest(m, put, to);
}}

#ifdef {upper}_MAIN
#include <stdio.h>
#include <stdlib.h>

static void print(const char *text, void *to)
{{
    fputs(text, (FILE *)to);
}}

int main(int count, char **arguments)
{{
    static struct NAME m;
    const char *prompt = count > 1 ? arguments[1] : "";
    fputs(prompt, stdout);
    NAME_write(&m, prompt, count > 2 ? atoi(arguments[2]) : 200,
               count > 3 ? (float)atof(arguments[3]) : 0.0f, 1, print, stdout);
    putchar('\\n');
    return 0;
}}
#endif
#endif
"""

ANEW = """\
    if (token == LINE) {
        const int held = m->held;
        NAME_begin(m);
        m->held = held;
    }
"""

SILENT = """\
static void silent(const char *text, void *to)
{
    (void)text, (void)to;
}

/* What is open of the prompt was said by whoever wrote it. */
static void forget(struct NAME *m)
{
    FORGET;
}

"""


class CSource(NamedTuple):
    """A file, and how many bytes its struct has."""

    text: str
    struct: int


def c_source(
    name: str,
    about: str,
    step: WholeStep,
    vocabulary: Vocabulary,
    before: list[int],
    line_break: LineBreak | None,
    weights: str = "fp32",
) -> CSource:
    """The file.

    name: of the functions; before: tokens that are read before a text (EOS), or before an empty one
    where the vocabulary has no EOS; line_break: where the state begins anew, and what then begins
    every text without EOS.
    """
    V, D = step.table.shape
    if weights == "int8":
        table, size = in_bytes("TABLE", step.table)
        first = [
            "const float *const x = m->x;",
            f"for (int i = 0; i < {D}; i++) m->x[i] = TABLE_scale[token] * TABLE[token * {D} + i];",
        ]
    else:
        table, size = floats("TABLE", step.table), 4 * step.table.size
        first = [f"const float *const x = TABLE + token * {D};"]
    made = c_function(
        "void NAME_step(struct NAME *m, int token, float *logits)", step.program, weights, first,
        list(step.initial),
    )  # fmt: skip
    fields = [f"    float {field}[{len(values)}];" for field, values in step.initial.items()]
    fields.append(f"    float scratch[{max(made.scratch, 1)}];")
    struct = 4 * (sum(map(len, step.initial.values())) + max(made.scratch, 1) + 1)
    if weights == "int8":
        rounded = -(-made.rounded // 4) * 4
        fields += [f"    float x[{D}];", f"    signed char rounded[{rounded}];"]
        struct += 4 * D + rounded
    upper = name.upper()
    head = named(HEAD, name).format(
        about=about, version=__version__, flash=made.flash + size, ram=struct + 4 * V, name=name, V=V,
        upper=upper, operations=made.operations, fields="\n".join(fields),
    )  # fmt: skip
    begin = ["void NAME_begin(struct NAME *m)", "{", "    memset(m, 0, sizeof *m);"]
    for field, values in step.initial.items():
        begin += [f"    m->{field}[{n}] = {literal(v)};" for n, v in enumerate(values) if v]
    begin += ["}", ""]
    write = named(WRITE, name).format(
        upper=upper, before=", ".join(map(str, before or [0])), befores=len(before),
        always=int(vocabulary.eos_id is not None or line_break is not None),
        line="" if line_break is None else named(ANEW, name).replace("LINE", str(line_break.token)),
        line_comment="" if line_break is None else ": each line begins anew, as it did in training",
    )  # fmt: skip
    silent = SILENT.replace("FORGET", "m->held = 0" if vocabulary.kind == "jamo" else "(void)m")
    code = [named(part, name) for part in (PRODUCTS[weights], made.text, "\n".join(begin), silent)]
    return CSource("\n".join([head, table + "\n", coding(vocabulary, name), *code, write]), struct)
