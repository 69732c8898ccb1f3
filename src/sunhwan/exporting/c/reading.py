"""Input layers in C: what is given to the functions, and the vectors of the steps made of it."""

from typing import NamedTuple

from sunhwan.exporting.c.coding import SPACES, characters_code, encoding
from sunhwan.exporting.c.ngrams import add_word_codes
from sunhwan.exporting.c.parts import SourceParts, begin_lines, each_step, filled
from sunhwan.exporting.c.word_code import TEXT, known_words, read_code
from sunhwan.exporting.predictor_programs import Images, Level, Read, Words
from sunhwan.models.inputs import InputLayer, TokenInput, WordInput
from sunhwan.models.ngrams import NgramLinear
from sunhwan.models.readers import ImageInput, LabelsInput
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.tasks.common.input_kinds import TextKind
from sunhwan.tasks.common.word_input import SPELLED, WordsKind

CONVOLVE = """\
/* The 3 x 3 numbers around every place (0 beyond the border) of an image (SIDE, SIDE, CHANNELS), each
 * STRIDE-th place of a row and of a column, to WIDTH numbers. */
static void convolve_LAYER(struct NAME *m, const float *x, float *out)
{
    for (int r = 0; r < SIDE; r += STRIDE)
        for (int c = 0; c < SIDE; c += STRIDE, out += WIDTH) {
            float *to = m->around;
            for (int i = r - 1; i <= r + 1; i++)
                for (int j = c - 1; j <= c + 1; j++, to += CHANNELS)
                    for (int k = 0; k < CHANNELS; k++)
                        to[k] = i < 0 || j < 0 || i >= SIDE || j >= SIDE
                                    ? 0.0f
                                    : x[(i * SIDE + j) * CHANNELS + k];
            place_LAYER(m, m->around, out);
        }
}
"""

IMAGE = """\
/* The pixels of an image, row by row, to its vector. */
static void read_image(struct NAME *m, const float *pixels, float *out)
{
    scale(m, pixels, m->image);
CALLS
}
"""


FINITE = """\
    for (int n = 0; n < steps * NUMBERS; n++)
        if (!isfinite(read[n])) return -1;
"""
"""As the files of a data set, which may hold neither NaN nor infinity."""

TOKENS = """\
/* The tokens of a text to m->a; how many they are, -1 for too many. */
static int read_text(struct NAME *m, const char *text)
{
    const int steps = NAME_encode(text, m->tokens, UPPER_STEPS + 1);
    if (steps > UPPER_STEPS) return -1;
    fill(m, m->tokens, steps);
    return steps;
}

"""


class Texts(NamedTuple):
    """How a text is read: its vocabularies, which are written as they are, and the function `read_text`.

    tokens: whether they are kept in the struct.
    """

    vocabularies: str
    code: str
    tokens: bool

    @property
    def declared(self) -> list[str]:
        """What the caller is told of it."""
        if self.tokens:
            told, what = "The tokens of a text", "const char *text, int *tokens"
        else:
            told, what = "The letters of a word", "const char *word, int *letters"
        return [
            "", f"/* {told}, at most so many as there is room for; how many they are. */",
            f"int NAME_encode({what}, int room);",
        ]  # fmt: skip

    @classmethod
    def of(cls, kind: InputKind, name: str) -> "Texts | None":
        """Those of an input kind; None where it is no text."""
        if isinstance(kind, WordsKind):
            spaces = "" if kind.letters.kind == "words" else SPACES
            coded = (
                characters_code("words") + known_words(kind) + spaces + encoding(kind.letters, name)
            )
            return cls(coded, TEXT, False)
        if isinstance(kind, TextKind):
            vocabulary = kind.vocabulary
            return cls(characters_code(vocabulary.kind) + encoding(vocabulary, name), TOKENS, True)
        return None


class InputCode(NamedTuple):
    """How what is read comes into m->a.

    given, passed: parameters and arguments of the functions. levels: with a state in the struct.
    fields: of the struct, of so many numbers. sizes: numbers with a name.
    """

    given: str
    passed: str = "read, steps"
    levels: tuple[Level, ...] = ()
    fields: tuple[tuple[str, int], ...] = ()
    sizes: tuple[tuple[str, int], ...] = ()


def add_reading(
    parts: SourceParts, read: Read, D: int, ngrams: NgramLinear | None = None
) -> InputCode:
    """Add the function `fill`, which makes the vectors (steps, D), or says -1, and all that it needs.

    ngrams: to m->codes come what its n-grams are made of.
    """
    if read.images is not None:
        reading, fill = _images(parts, read.images, D)
    elif read.program is not None:
        parts.function("read_step", read.program)
        reading = InputCode("const float *read, int steps")
        fill = f"read_step(m, read + t * {read.numbers}, m->a + t * {D});"
    elif read.words is not None:
        reading, fill = _words(parts, read.words, ngrams)
    else:
        reading, fill = _tables(parts, read, D)
        if ngrams is not None:
            fill = f"{{ m->codes[t] = (uint32_t)read[t] + 1; {fill} }}"
    whole = read.images.side**2 if read.images is not None else read.numbers
    checked = FINITE.replace("NUMBERS", str(whole)) if "float" in reading.given else ""
    head = f"static int fill(struct NAME *m, {reading.given})"
    parts.add(f"{head}\n{{\n{checked}{each_step(fill)}\n    return 0;\n}}\n")
    return reading


def told(layer: InputLayer) -> str:
    """How the input goes in, for the first comment."""
    if isinstance(layer, TokenInput | WordInput):
        return "in UTF-8, form NFC"
    if isinstance(layer, LabelsInput):
        return "the numbers of labels"
    if isinstance(layer, ImageInput):
        side = layer.side
        return f"{side} x {side} pixels, row by row, not scaled; image files have 0 to 1"
    return "as read, not scaled"


def _images(parts: SourceParts, images: Images, D: int) -> tuple[InputCode, str]:
    parts.function("scale", images.scale)
    here, there, calls = "image", "maps", []
    sizes = {"image": images.side**2, "maps": 0}
    for depth, layer in enumerate(images.layers):
        parts.function(f"place_{depth}", layer.program, times=layer.after**2)
        words: dict[str, object] = {
            "SIDE": layer.side, "STRIDE": layer.stride, "CHANNELS": layer.channels,
            "WIDTH": layer.width,
        }  # fmt: skip
        parts.add(filled(CONVOLVE.replace("_LAYER", f"_{depth}"), words))
        calls.append(f"    convolve_{depth}(m, m->{here}, m->{there});")
        sizes[there] = max(sizes[there], layer.after**2 * layer.width)
        here, there = there, here
    parts.function("whole_image", images.last)
    calls.append(f"    whole_image(m, m->{here}, out);")
    parts.add(IMAGE.replace("CALLS", "\n".join(calls)))
    around = max(9 * layer.channels for layer in images.layers)
    reading = InputCode("const float *read, int steps", fields=(*sizes.items(), ("around", around)))
    return reading, f"read_image(m, read + t * {images.side**2}, m->a + t * {D});"


def _words(parts: SourceParts, words: Words, ngrams: NgramLinear | None) -> tuple[InputCode, str]:
    levels = (words.onward, words.back)
    parts.table(words.table)
    parts.flash += 4 * words.letters.size
    parts.function("onward", words.onward.directions[0], words.onward.initial)
    parts.function("backward", words.back.directions[0], words.back.initial)
    code = ""
    if ngrams is not None:
        add_word_codes(parts, ngrams)
        code = "    m->codes[t] = word_code(letters, count);\n"
    begin = "\n".join(begin_lines(list(levels)))
    parts.add(read_code(words, begin, parts.scaled("TABLE", "word"), code))
    reading = InputCode(
        "const int *words, const int *letters, int steps", "words, letters, steps", levels,
        sizes=(("LETTERS", SPELLED),),
    )  # fmt: skip
    return reading, "read_word(m, words[t], letters + t * UPPER_LETTERS, t);"


def _tables(parts: SourceParts, read: Read, D: int) -> tuple[InputCode, str]:
    """Of tokens, or of several columns of labels."""
    calls = []
    tables = [read.table] if read.table is not None else list(read.tables)
    for column, table in enumerate(tables):
        label = "TABLE" if read.table is not None else f"LABELS_{column}"
        parts.table(table, label)
        wide = table.shape[1]
        row = "read[t]" if len(tables) == 1 else f"read[t * {len(tables)} + {column}]"
        place = f"t * {D} + {column * wide} + j" if column else f"t * {D} + j"
        calls.append(
            f"for (int j = 0; j < {wide}; j++) "
            f"m->a[{place}] = {parts.scaled(label, row)}{label}[{row} * {wide} + j];"
        )
    return InputCode("const int *read, int steps"), f"{{ {' '.join(calls)} }}"
