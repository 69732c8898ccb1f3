"""Encoding of subwords in C: cut into pieces as `sunhwan.text.subwords` cuts, then merged pair by pair."""

import numpy as np

from sunhwan.exporting.c.functions import whole
from sunhwan.text.subwords import SubwordVocabulary

SUBWORDS = """\
enum { LETTER, DIGIT, SIGN, SPACE, STRANGE, END };

/* One character of a text: its token, what it is, and where the next one begins. */
struct character {
    int token, is, space;
    const char *next;
};

/* The first character from here on that is not left out. */
static struct character character_at(const char *text)
{
    struct character c = { 0, END, 0, text };
    while (*c.next) {
        char letter[5];
        const unsigned char *t = (const unsigned char *)letter;
        const int wide = take(c.next, letter), size = (int)strlen(letter);
        const int code = size == 1   ? t[0]
                         : size == 2 ? (t[0] & 31) << 6 | (t[1] & 63)
                         : size == 3 ? code_of(letter)
                                     : 0x10000;
        c.token = token_of(letter, size);
        c.next += wide;
        if (c.token < 0) continue;
        c.space = (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x20) || code == 0x85
                  || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a)
                  || code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f
                  || code == 0x3000;
        if (c.token == UNKNOWN || code == 0xfffd) c.is = STRANGE, c.space = 0;
        else if (code >= '0' && code <= '9') c.is = DIGIT;
        else if ((code >= 0x21 && code <= 0x2f) || (code >= 0x3a && code <= 0x40)
                 || (code >= 0x5b && code <= 0x60) || (code >= 0x7b && code <= 0x7e)
                 || (code >= 0xa1 && code <= 0xbf) || (code >= 0x2010 && code <= 0x2bff)
                 || (code >= 0x3001 && code <= 0x303f) || (code >= 0xff01 && code <= 0xff0f)
                 || (code >= 0xff1a && code <= 0xff20))
            c.is = SIGN;
        else
            c.is = c.space ? SPACE : LETTER;
        return c;
    }
    return c;
}

/* A pair that becomes one token: its place in MERGES, which stands in the order of the pairs; -1: none. */
static int merge_of(int left, int right)
{
    int low = 0, high = (int)(sizeof MERGES / sizeof *MERGES) / 4;
    while (low < high) {
        const int middle = (low + high) / 2, *merge = MERGES + 4 * middle;
        if (merge[0] == left && merge[1] == right) return middle;
        if (merge[0] < left || (merge[0] == left && merge[1] < right)) low = middle + 1;
        else high = middle;
    }
    return -1;
}

/* Tokens of the characters of a piece -> those of its subwords; how many they are. */
static int merged(int *parts, int count)
{
    for (;;) {
        int place = -1, best = -1;
        for (int n = 0; n + 1 < count; n++) {
            const int found = merge_of(parts[n], parts[n + 1]);
            if (found >= 0 && (best < 0 || MERGES[4 * found + 2] < MERGES[4 * best + 2]))
                place = n, best = found;
        }
        if (best < 0) return count;
        parts[place] = MERGES[4 * best + 3];
        count--;
        for (int n = place + 1; n < count; n++) parts[n] = parts[n + 1];
    }
}

enum { UNIT = 66 };

/* The tokens of what comes next in a text, UNIT at most, and on; how many they are. */
static int next_tokens(const char **text, int *parts)
{
    struct character c = character_at(*text), after = character_at(c.next);
    int count = 0, is = c.is, run = 0;
    if (c.is == SPACE && c.next[-1] == ' ' && after.is < SPACE) {
        parts[count++] = c.token;
        c = after;
        is = c.is;
    }
    if (is == STRANGE || is == END) {
        if (is == STRANGE) parts[count++] = c.token;
        *text = c.next;
    } else if (is == SPACE) {
        const char *before = *text;
        while (c.space && run < 64) {
            parts[count++] = c.token;
            before = *text;
            *text = c.next;
            c = character_at(*text);
            run++;
        }
        if (run > 1 && c.is != END && !c.space) {
            count--;
            *text = before;
        }
    } else {
        while (c.is == is && run < 64) {
            parts[count++] = c.token;
            *text = c.next;
            c = character_at(*text);
            run++;
        }
    }
    return merged(parts, count);
}

"""


def merges(vocabulary: SubwordVocabulary) -> str:
    """The pairs in order: left, right, which is merged first, what they become."""
    ids = {
        token: n
        for n, token in enumerate(vocabulary.tokens)
        if n not in (vocabulary.unk_id, vocabulary.eos_id)
    }
    found = [
        (ids[left], ids[right], rank, ids[left + right])
        for rank, (left, right) in enumerate(vocabulary.merges)
    ]
    return whole("MERGES", np.array(sorted(found) or [(-1, -1, 0, 0)]).reshape(-1)) + "\n"
