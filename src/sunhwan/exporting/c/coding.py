"""Texts ↔ tokens in C: what a program without sunhwan needs of a vocabulary."""

import re

from sunhwan.exporting.c.subwords import SUBWORDS, merges
from sunhwan.text import Vocabulary
from sunhwan.text.subwords import SubwordVocabulary

LOOK_UP = """\
/* The token of these bytes; UNKNOWN where there is none. */
static int token_of(const char *text, int size)
{
    int low = 0, high = (int)(sizeof ORDER / sizeof *ORDER);
    while (low < high) {
        const int middle = (low + high) / 2;
        const int sign = compared(TOKENS[ORDER[middle]], text, size);
        if (!sign) return ORDER[middle];
        if (sign < 0) low = middle + 1;
        else high = middle;
    }
    return UNKNOWN;
}

"""

TAKE = """\
/* The number of the character of three bytes that begins here, 0 where there is none: a letter of Hangul
 * is one from 0x1100 on, a syllable one from 0xac00 on. */
static int code_of(const char *text)
{
    const unsigned char *t = (const unsigned char *)text;
    if ((t[0] & 0xf0) != 0xe0 || (t[1] & 0xc0) != 0x80 || (t[2] & 0xc0) != 0x80) return 0;
    return (t[0] & 15) << 12 | (t[1] & 63) << 6 | (t[2] & 63);
}

static void bytes_of(int code, char *out)
{
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 63));
    out[2] = (char)(0x80 | (code & 63));
    out[3] = 0;
}

/* The character that begins here, up to 4 bytes and a 0; how many bytes it has in the text. CR and CR LF
 * are a line feed, and letters of Hangul that stand apart (form NFD) are the syllable they make. */
static int take(const char *text, char *out)
{
    const unsigned char first = (unsigned char)*text;
    const int wide = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    int size = 1, code, next;
    while (size < wide && (text[size] & 0xc0) == 0x80) size++;
    memcpy(out, text, (size_t)size);
    out[size] = 0;
    if (first == '\\r') {
        *out = '\\n';
        return text[1] == '\\n' ? 2 : 1;
    }
    code = code_of(text);
    next = code ? code_of(text + size) : 0;
    if (code >= 0x1100 && code < 0x1113 && next >= 0x1161 && next < 0x1176) {
        code = 0xac00 + ((code - 0x1100) * 21 + next - 0x1161) * 28;
        size += 3;
        next = code_of(text + size);
        bytes_of(code, out);
    }
    if (code >= 0xac00 && code < 0xd7a4 && (code - 0xac00) % 28 == 0 && next > 0x11a7 && next < 0x11c3) {
        bytes_of(code + next - 0x11a7, out);
        size += 3;
    }
    return size;
}

"""
"""Characters of a text as `sunhwan.text.normalize` leaves them, but for marks that join other letters."""

COMPARED = """\
/* A token beside the characters of so many bytes: 0 where it is them, else which comes first (strcmp). */
static int compared(const char *token, const char *text, int size)
{
    const char *const end = text + size;
    while (text < end) {
        char letter[5];
        size_t bytes;
        int sign;
        text += take(text, letter);
        bytes = strlen(letter);
        sign = strncmp(token, letter, bytes);
        if (sign) return sign;
        token += bytes;
    }
    return *token != 0;
}

"""


ENCODE = """\
int NAME_encode(const char *text, int *tokens, int room)
{
    int n = 0;
    while (*text && n < room) {
        int unit[UNIT];
        const int count = next_tokens(&text, unit);
        for (int k = 0; k < count && n < room; k++) tokens[n++] = unit[k];
    }
    return n;
}

"""

SPACES = """\
/* How many bytes the white space has that begins here; 0 where there is none. */
static int space_of(const char *text)
{
    const unsigned char *t = (const unsigned char *)text;
    if (*t == ' ' || (*t >= 9 && *t <= 13) || (*t >= 0x1c && *t <= 0x1f)) return 1;
    if (*t == 0xc2) return t[1] == 0x85 || t[1] == 0xa0 ? 2 : 0;
    if (*t == 0xe1) return t[1] == 0x9a && t[2] == 0x80 ? 3 : 0;
    if (*t == 0xe3) return t[1] == 0x80 && t[2] == 0x80 ? 3 : 0;
    if (*t != 0xe2) return 0;
    if (t[1] == 0x81) return t[2] == 0x9f ? 3 : 0;
    if (t[1] != 0x80) return 0;
    return (t[2] >= 0x80 && t[2] <= 0x8a) || t[2] == 0xa8 || t[2] == 0xa9 || t[2] == 0xaf ? 3 : 0;
}

/* The bytes up to white space or the end. */
static int word_size(const char *text)
{
    int size = 0;
    while (text[size] && !space_of(text + size)) size++;
    return size;
}

"""
"""White space as Python's `str.split` sees it."""

AT_ONCE = """\
static void say_rest(struct NAME *m, NAME_put put, void *to)
{
    (void)m, (void)put, (void)to;
}

static int joins(const struct NAME *m, int token)
{
    (void)m, (void)token;
    return 0;
}

"""
"""Each token is a text of its own: none waits for the next, none joins the one before."""

SAY = """\
static void say(struct NAME *m, int token, NAME_put put, void *to)
{
    (void)m;
    if (token != EOS) put(token == UNKNOWN ? "\\357\\277\\275" : TOKENS[token], to);
}

"""
"""A token is its text."""

CHARACTERS = (
    LOOK_UP
    + """\
enum { UNIT = 1 };

/* The tokens of what comes next in a text, UNIT at most, and on; how many they are. */
static int next_tokens(const char **text, int *tokens)
{
    char c[5];
    *text += take(*text, c);
    *tokens = token_of(c, (int)strlen(c));
    return *tokens >= 0;
}

"""
    + ENCODE
    + SAY
    + AT_ONCE
)

JAMO = (
    LOOK_UP
    + """\
enum { UNIT = 3 };

/* The tokens of what comes next in a text, UNIT at most, and on; how many they are. */
static int next_tokens(const char **text, int *tokens)
{
    char c[5];
    int index, count = 0;
    *text += take(*text, c);
    index = code_of(c) - 0xac00;
    if (index < 0 || index >= 11172) {
        *tokens = token_of(c, (int)strlen(c));
        return *tokens >= 0;
    }
    for (int k = 0; k < 3; k++) {
        const int letters[3] = {
            0x1100 + index / 588, 0x1161 + index / 28 % 21, index % 28 ? 0x11a7 + index % 28 : 0
        };
        if (!letters[k]) continue;
        bytes_of(letters[k], c);
        tokens[count] = token_of(c, 3);
        if (tokens[count] >= 0) count++;
    }
    return count;
}

"""
    + ENCODE
    + """\
static void say_rest(struct NAME *m, NAME_put put, void *to)
{
    char text[4];
    if (!m->held) return;
    bytes_of(m->held, text);
    m->held = 0;
    put(text, to);
}

/* Whether the token would change the syllable that is still open. */
static int joins(const struct NAME *m, int token)
{
    const int code = token == EOS || token == UNKNOWN ? 0 : code_of(TOKENS[token]);
    if (m->held >= 0xac00) return code >= 0x11a8 && code < 0x11c3;
    return m->held && code >= 0x1161 && code < 0x1176;
}

static void say(struct NAME *m, int token, NAME_put put, void *to)
{
    const int code = token == EOS || token == UNKNOWN ? 0 : code_of(TOKENS[token]);
    if (joins(m, token)) {
        if (m->held >= 0xac00) {
            m->held += code - 0x11a7;
            say_rest(m, put, to);
        } else {
            m->held = 0xac00 + ((m->held - 0x1100) * 21 + code - 0x1161) * 28;
        }
        return;
    }
    say_rest(m, put, to);
    if (code >= 0x1100 && code < 0x1113) m->held = code;
    else if (token != EOS) put(token == UNKNOWN ? "\\357\\277\\275" : TOKENS[token], to);
}

"""
)

BYTES = (
    """\
enum { UNIT = 4 };

/* The tokens of what comes next in a text, UNIT at most, and on; how many they are. */
static int next_tokens(const char **text, int *tokens)
{
    char c[5];
    int n = 0;
    *text += take(*text, c);
    for (; c[n]; n++) tokens[n] = (unsigned char)c[n];
    return n;
}

"""
    + ENCODE
    + """\
static void say(struct NAME *m, int token, NAME_put put, void *to)
{
    char text[2];
    (void)m;
    text[0] = (char)token;
    text[1] = 0;
    if (token < 256) put(text, to);
}

"""
    + AT_ONCE
)

WORDS = (
    LOOK_UP
    + SPACES
    + """\
enum { UNIT = 1 };

/* The tokens of what comes next in a text, UNIT at most, and on; how many they are. */
static int next_tokens(const char **text, int *tokens)
{
    const int size = word_size(*text);
    char c[5];
    *tokens = -1;
    if (size) {
        *tokens = token_of(*text, size);
        *text += size;
    } else {
        *text += take(*text, c);
        if (*c == '\\n') *tokens = EOS;
    }
    return *tokens >= 0;
}

"""
    + ENCODE
    + """\
static void say(struct NAME *m, int token, NAME_put put, void *to)
{
    if (m->held && token != EOS) put(" ", to);
    put(token == EOS ? "\\n" : TOKENS[token], to);
    m->held = token != EOS;
}

static void say_rest(struct NAME *m, NAME_put put, void *to)
{
    (void)put, (void)to;
    m->held = 0;
}

static int joins(const struct NAME *m, int token)
{
    (void)m, (void)token;
    return 0;
}

"""
)

KINDS = {
    "characters": CHARACTERS,
    "jamo": JAMO,
    "bytes": BYTES,
    "words": WORDS,
    "subwords": LOOK_UP + SUBWORDS + ENCODE + SAY + AT_ONCE,
}


def named(code: str, name: str) -> str:
    """Code of ours with the name of the model in the place of NAME."""
    return re.sub(r"\bNAME(?=_|\b)", name, code)


def coding(vocabulary: Vocabulary, name: str) -> str:
    """The tokens, and encoding and decoding."""
    return (
        tokens(vocabulary) + characters_code(vocabulary.kind) + named(KINDS[vocabulary.kind], name)
    )


def encoding(vocabulary: Vocabulary, name: str) -> str:
    """The tokens, and encoding alone, which needs `characters_code`."""
    return tokens(vocabulary) + named(KINDS[vocabulary.kind].split("static void say")[0], name)


def characters_code(kind: str) -> str:
    """How characters are read, for the vocabularies of a kind, or of several."""
    return TAKE if kind == "bytes" else TAKE + COMPARED


def tokens(vocabulary: Vocabulary, prefix: str = "") -> str:
    """The tokens of a vocabulary, and their order; the names begin with a prefix."""
    unk, eos = vocabulary.unk_id, vocabulary.eos_id
    lines = [
        f"enum {{ {prefix}UNKNOWN = {-1 if unk is None else unk}, "
        f"{prefix}EOS = {-1 if eos is None else eos} }};\n"
    ]
    if vocabulary.kind != "bytes":
        texts = [token.encode() for token in vocabulary.tokens]
        ordinary = [n for n in range(len(texts)) if n not in (unk, eos)]
        order = sorted(ordinary, key=lambda n: texts[n])
        lines += [
            f"static const char *const {prefix}TOKENS[] = {{",
            *(f"    {quoted(t)}," for t in texts),
            "};",
        ]
        places = [", ".join(map(str, order[n : n + 16])) for n in range(0, len(order), 16)]
        lines += [
            f"static const int {prefix}ORDER[] = {{",
            *(f"    {line}," for line in places),
            "};\n",
        ]
    if isinstance(vocabulary, SubwordVocabulary):
        lines.append(merges(vocabulary))
    return "\n".join(lines) + "\n"


def quoted(text: bytes) -> str:
    """A string of C; three octal digits each, which no following digit can lengthen."""
    plain = set(range(32, 127)) - set(b'"\\?')
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text) + '"'
