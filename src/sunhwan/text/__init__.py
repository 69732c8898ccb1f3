"""Bytes → text → vocabulary: reading, normalising, tokenising, and texts to train on."""

from sunhwan.text.build import KINDS, build_vocabulary, vocabulary_from_dict
from sunhwan.text.built_in import BUILT_IN, BuiltIn
from sunhwan.text.characters import CharacterVocabulary
from sunhwan.text.corpora import load_corpus
from sunhwan.text.decoding import decode, normalize, read_text
from sunhwan.text.documents import Corpus, Document
from sunhwan.text.embedding_space import map_2d, neighbours
from sunhwan.text.jamo import JamoVocabulary
from sunhwan.text.octets import ByteVocabulary
from sunhwan.text.subwords import SubwordVocabulary
from sunhwan.text.vectors import Vectors, read_vectors
from sunhwan.text.vocabulary import Decoder, Vocabulary
from sunhwan.text.words import WordVocabulary

__all__ = [
    "BUILT_IN",
    "KINDS",
    "BuiltIn",
    "ByteVocabulary",
    "CharacterVocabulary",
    "Corpus",
    "Decoder",
    "Document",
    "JamoVocabulary",
    "SubwordVocabulary",
    "Vectors",
    "Vocabulary",
    "WordVocabulary",
    "build_vocabulary",
    "decode",
    "load_corpus",
    "map_2d",
    "neighbours",
    "normalize",
    "read_text",
    "read_vectors",
    "vocabulary_from_dict",
]
