"""Texts of tokens: what each token of a sequence adds to the text."""

from collections.abc import Sequence

from sunhwan.text import Vocabulary
from sunhwan.text.words import WordVocabulary


def pieces_of(vocabulary: Vocabulary, ids: Sequence[int]) -> list[str]:
    """Ids → as many texts, together what the vocabulary says of the ids.

    A token that only continues a character (a letter of a Hangul syllable, a byte) adds "": the
    character is at the token that begins it. Of a character that is begun and not ended the pieces
    say what can be said.
    """
    if isinstance(vocabulary, WordVocabulary):
        # Whether a space stands before a word depends on the one before it.
        decoder = vocabulary.decoder()
        words = [decoder.push(token) for token in ids]
        return [*words[:-1], words[-1] + decoder.flush()] if words else []
    pieces: list[str] = []
    at_once: dict[int, str] = {}
    decoder, begun = vocabulary.decoder(), list[int]()
    for token in ids:
        pieces.append("")
        if not begun and token in at_once:
            pieces[-1] = at_once[token]
            continue
        before = vocabulary.decode(begun)
        begun.append(token)
        certain = decoder.push(token)
        said = vocabulary.decode(begun)
        if not certain:
            continue
        first = len(pieces) - len(begun)
        apart = len(begun) > 1 and said.startswith(before) and said != before
        pieces[first] = before if apart else said
        if apart:
            pieces[-1] = said[len(before) :]
        if certain == said:
            if len(begun) == 1:
                at_once[token] = said
            begun = []
        else:
            # The token has begun a character of its own, which is still to be ended.
            pieces[-1] = ""
            decoder, begun = vocabulary.decoder(), [token]
            decoder.push(token)
    if begun:
        pieces[len(pieces) - len(begun)] = vocabulary.decode(begun)
    return pieces
