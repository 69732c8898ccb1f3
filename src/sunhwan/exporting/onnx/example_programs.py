"""Example programs: what stands beside the graphs, in plain Python with onnxruntime and numpy."""

import shlex

HEAD = '''\
"""{purpose}

    python example.py {usage}

It needs onnxruntime and numpy, and nothing of what the model was trained with.
"""

import json
import re
import sys
import unicodedata
from pathlib import Path

import numpy as np
import onnxruntime

if len(sys.argv) <= {required}:
    print({line!r}, file=sys.stderr)
    sys.exit(2)

here = Path(__file__).parent
about = json.loads((here / "metadata.json").read_text("utf-8"))
tokenizer = json.loads((here / "tokenizer.json").read_text("utf-8"))


def opened(name):
    return onnxruntime.InferenceSession(here / name, providers=["CPUExecutionProvider"])

'''

NORMAL = """
def normal(text):
    return unicodedata.normalize("NFC", text.replace("\\r\\n", "\\n").replace("\\r", "\\n"))


def known(words):
    special = (words["unk_id"], words["eos_id"])
    return {token: n for n, token in enumerate(words["tokens"]) if n not in special}

"""

CHARACTERS = """
def encode(text, words):
    ids = known(words)
    found = [ids.get(letter, words["unk_id"]) for letter in normal(text)]
    return [n for n in found if n is not None]


def decode(ids, words):
    texts = dict(enumerate(words["tokens"])) | {words["eos_id"]: "", words["unk_id"]: "\\ufffd"}
    return "".join(texts[n] for n in ids)

"""

JAMO = """
def encode(text, words):
    ids = known(words)
    split = [unicodedata.normalize("NFD", c) if "가" <= c <= "힣" else c for c in normal(text)]
    found = [ids.get(letter, words["unk_id"]) for letter in "".join(split)]
    return [n for n in found if n is not None]


def decode(ids, words):
    texts = dict(enumerate(words["tokens"])) | {words["eos_id"]: "\\ue000", words["unk_id"]: "\\ufffd"}
    joined = re.sub(
        "[\\u1100-\\u1112][\\u1161-\\u1175][\\u11a8-\\u11c2]?",
        lambda found: unicodedata.normalize("NFC", found[0]),
        "".join(texts[n] for n in ids),
    )
    return joined.replace("\\ue000", "")

"""

BYTES = """
def encode(text, words):
    return list(normal(text).encode())


def decode(ids, words):
    pieces = "".join(chr(n) for n in ids).split(chr(256))
    return "".join(piece.encode("latin-1").decode("utf-8", "replace") for piece in pieces)

"""

WORDS = """
def encode(text, words):
    ids = known(words)
    lines = [text] if words["eos_id"] is None else normal(text).split("\\n")
    found = []
    for number, line in enumerate(lines):
        found += [words["eos_id"]] * (number > 0)
        found += [ids.get(word, words["unk_id"]) for word in normal(line).split()]
    return [n for n in found if n is not None]


def decode(ids, words):
    texts = dict(enumerate(words["tokens"])) | {words["eos_id"]: "\\n"}
    joined = " ".join(texts[n] for n in ids)
    return joined.replace(" \\n", "\\n").replace("\\n ", "\\n")

"""

SUBWORDS = """
SIGN = r"!-/:-@\\[-`{-~\\u00a1-\\u00bf\\u2010-\\u2bff\\u3001-\\u303f\\uff01-\\uff0f\\uff1a-\\uff20"
PIECE = re.compile(
    rf" ?[^\\s0-9{SIGN}\\ufffd]{{1,64}}| ?[0-9]{{1,64}}| ?[{SIGN}]{{1,64}}"
    r"|\\s{1,64}(?!\\S)|\\s{1,64}|\\ufffd"
)


def encode(text, words):
    ids = known(words)
    unknown = "" if words["unk_id"] is None else "\\ufffd"
    text = normal("".join(c if c in ids else unknown for c in normal(text)))
    rank = {tuple(pair): n for n, pair in reversed(list(enumerate(words["merges"])))}
    found = []
    for piece in PIECE.findall(text):
        parts = list(piece)
        while len(parts) > 1:
            least = min(rank.get(pair, len(rank)) for pair in zip(parts, parts[1:]))
            if least == len(rank):
                break
            n = next(n for n, pair in enumerate(zip(parts, parts[1:])) if rank.get(pair) == least)
            parts[n : n + 2] = ["".join(parts[n : n + 2])]
        found += [ids.get(part, words["unk_id"]) for part in parts]
    return found


def decode(ids, words):
    texts = dict(enumerate(words["tokens"])) | {words["eos_id"]: "", words["unk_id"]: "\\ufffd"}
    return "".join(texts[n] for n in ids)

"""

VOCABULARIES = {
    "characters": CHARACTERS, "jamo": JAMO, "bytes": BYTES, "words": WORDS, "subwords": SUBWORDS,
}  # fmt: skip
"""encode and decode, by the kind of the vocabulary."""

LANGUAGE_MODEL = """
prompt = normal(sys.argv[1]) if len(sys.argv) > 1 else ""
length = int(sys.argv[2]) if len(sys.argv) > 2 else 200
ids = encode(prompt, tokenizer)
first = {n for n in range(len(tokenizer["tokens"])) if about["joins"]
         and not decode([*ids, n], tokenizer).startswith(decode(ids, tokenizer))}
read = about["begin"] + ids if about["begin"] or ids else encode("\\n", tokenizer)
step = opened("step.onnx")
initial = {field["input"]: np.zeros((1, field["size"]), np.float32) + np.float32(field["initial"])
           for field in about["state"]}
state, written = initial, []
while len(written) < length:
    for token in read:
        if token == about["line_break"]:  # of a model that learned each line by itself
            state = initial
        logits, *after = step.run(None, {"tokens": np.array([token]), **state})
        state = dict(zip(state, after))
    logits[0, [n for n in (tokenizer["unk_id"], *first) if n is not None]] = -np.inf
    read, first = [int(logits[0].argmax())], ()
    written += read
print(prompt + decode(ids + written, tokenizer)[len(decode(ids, tokenizer)):])
"""


READ_TEXT = """
def read(text):
    ids = encode(text, tokenizer["source"]["vocabulary"])
    return {"tokens": np.array([ids or [0]]), "lengths": np.array([len(ids)])}

"""

LABEL = """
(logits,) = opened("model.onnx").run(["logits"], given)
p = np.exp(logits[0] - logits[0].max())
print(about["labels"][p.argmax()], round(float(p.max() / p.sum()), 2))
"""

CLASSIFY = READ_TEXT + "\ngiven = read(sys.argv[1])" + LABEL

CLASSIFY_PAIR = (
    READ_TEXT
    + """
given = read(sys.argv[1]) | {f"{name}_2": value for name, value in read(sys.argv[2]).items()}"""
    + LABEL
)

READ_WORDS = """
def read(words):
    source, count = tokenizer["source"], max(len(words), 1)
    tokens = [re.sub(r"\\s", "_", normal(word)) for word in words]
    numbers = known(source["words"])
    spelled = [encode(token, source["letters"]) for token in tokens]
    spelled = [ids if len(ids) <= 64 else ids[:32] + ids[-32:] for ids in spelled]
    letters = np.full((1, count, max(map(len, spelled), default=1) or 1), -1)
    for n, ids in enumerate(spelled):
        letters[0, n, : len(ids)] = ids
    ids = [numbers.get(token, source["words"]["unk_id"]) for token in tokens]
    return {"words": np.array([ids or [0]]), "letters": letters, "lengths": np.array([len(words)])}

"""

TAG = (
    READ_WORDS
    + """
words = sys.argv[1].split()
(labels,) = opened("model.onnx").run(["labels"], read(words))
found = zip((re.sub(r"\\s", "_", normal(word)) for word in words), labels[0])
print(" ".join(f"{token}/{about['labels'][n]}" for token, n in found))
"""
)

ANSWER = (
    READ_WORDS
    + """
words, question = sys.argv[1].split(), sys.argv[2].split()
given = read(words) | {f"{name}_2": value for name, value in read(question).items()}
(weights,) = opened("model.onnx").run(["weights"], given)
bare = [word.strip(about["marks"]) or word for word in words]
sums, first = {}, {}
for word, weight in zip(bare, weights[0].tolist()):
    first.setdefault(word.casefold(), word)
    sums[word.casefold()] = sums.get(word.casefold(), 0.0) + weight
best = max(sums, key=sums.get, default="")
print(first.get(best, ""), round(sums.get(best, 0.0), 2))
"""
)

ARRAYS = """
def arrays(session):
    names = [value.name for value in session.get_inputs()]
    try:
        found = np.load(sys.argv[1])
        return {name: found[name] for name in names}
    except Exception as error:
        wanted = f"{sys.argv[1]} is no .npz file with the arrays {', '.join(names)}"
        print(f"{wanted}: {error}", file=sys.stderr)
        sys.exit(1)

"""

GIVEN = (
    ARRAYS
    + """
session = opened("model.onnx")
names = [value.name for value in session.get_outputs()]
for name, value in zip(names, session.run(names, arrays(session))):
    print(name, value.tolist())
"""
)

_WRITING = """
session = opened("encoder.onnx")
left = dict(zip([value.name for value in session.get_outputs()], session.run(None, given)))
step = opened("step.onnx")
state = {field["input"]: left[field["input"]] for field in about["state"]}
names = ["log_probabilities", *(field["output"] for field in about["state"])]
same = {name: left[name] for name in about["given"]}
token, written = about["eos"], []
while len(written) < about["limit"]:
    log_p, *after = step.run(names, {"tokens": np.array([token]), **same, **state})
    state = dict(zip(state, after))
    log_p[0, about["never"]] = -np.inf
    token = int(log_p[0].argmax())
    if token == about["eos"]:
        break
    written.append(token)
print(decode(written, tokenizer["vocabulary"]))
"""

TRANSLATE = """
ids = encode(sys.argv[1], tokenizer["source"]["vocabulary"])
given = {"tokens": np.array([ids or [0]]), "lengths": np.array([len(ids)])}
""" + _WRITING.lstrip()
WRITE = ARRAYS + '\ngiven = arrays(opened("encoder.onnx"))\n' + _WRITING.lstrip()


def example(purpose: str, usage: str, body: str, *vocabularies: str) -> str:
    """A program of these parts, with the coding of the kinds of vocabularies that it meets."""
    coding = "".join(VOCABULARIES[kind] for kind in sorted(vocabularies))
    if len(vocabularies) == 2:
        first, second = (VOCABULARIES[kind] for kind in sorted(vocabularies))
        coding = _renamed(first, sorted(vocabularies)[0]) + _renamed(
            second, sorted(vocabularies)[1]
        )
        coding += BOTH
    required = sum(not word.startswith("[") for word in shlex.split(usage))
    line = f"usage: python example.py {usage}"
    head = HEAD.format(purpose=purpose, usage=usage, required=required, line=line)
    return head + (NORMAL if coding else "") + coding + body


def _renamed(coding: str, kind: str) -> str:
    """encode and decode under the names of their kind."""
    return coding.replace("def encode(", f"def encode_{kind}(").replace(
        "def decode(", f"def decode_{kind}("
    )


BOTH = """
def encode(text, words):
    return globals()["encode_" + words["kind"]](text, words)


def decode(ids, words):
    return globals()["decode_" + words["kind"]](ids, words)

"""
