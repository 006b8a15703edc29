"""How text becomes the words that are searched: the same for what is stored and for what is typed.

A word is lower case, without diacritics, and also kept by its English stem, so that "microscopes",
"Microscopy" and "microscope" meet. The two databases index these words as they are; neither is asked
to understand language, so both find the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import snowballstemmer

MAX_WORDS = 12  # of a query; more would only cost time
MAX_WORD = 60
SHORTEST_PREFIX = 3  # "ct" means CT and not everything that begins so

_SAYING_NOTHING = (
    "a an and are at by can do for from how i in into is it me my of on or our that the this to we what "
    "which with you your der die das und oder mit für ein eine im zu van het een voor met en il la di un "
    "una per con e"
)
STOP_WORDS = frozenset(_SAYING_NOTHING.split())

_TOKEN = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LINKED = re.compile(r"[^\W_]+(?:[-/_.][^\W_]+)+")
# Letters that do not come apart into a letter and a mark.
_SPELT = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i"})
# How the same letters are written where the keyboard has none of them.
_TWO_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


def folded(text: str) -> str:
    """Lower case, compatibility forms resolved, letters without their marks: "Skåne" becomes "skane"."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_SPELT))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def name_key(name: str) -> str:
    """What two names have in common when people would call them the same."""
    return " ".join(_TOKEN.findall(folded(name)))[:255]


def slug(name: str, *, longest: int = 80) -> str:
    """A readable part of an address made from a name; "item" when nothing readable is left."""
    text = "-".join(re.findall(r"[a-z0-9]+", folded(name)))
    if len(text) > longest:
        text = text[: longest + 1].rpartition("-")[0] or text[:longest]
    return text or "item"


_MEASURING = re.compile(r"(.+met)(?:er|ers|re|res|ry|ries|ric|rical|rically)")
_ENGLISH = snowballstemmer.stemmer("english")
_ONE_AT_A_TIME = Lock()  # a stemmer works on one word and keeps it in itself


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """The English stem of a folded word, a little further cut: -graphy and -graph, -metry and -meter agree."""
    if len(word) > 7 and (measuring := _MEASURING.fullmatch(word)):
        return measuring[1]
    with _ONE_AT_A_TIME:
        stemmed: str = _ENGLISH.stemWord(word)
    return stemmed[:-1] if len(stemmed) > 4 and stemmed.endswith("i") else stemmed


def _tokens(text: str) -> list[str]:
    return [token[:MAX_WORD] for token in _TOKEN.findall(folded(text))]


def indexed(*texts: str) -> str:
    """The words of `texts` as a search finds them: each once, between spaces, forms and stems alike."""
    words: dict[str, None] = {}
    for text in texts:
        for part in (text, _HUMP.sub(" ", text), text.casefold().translate(_TWO_LETTERS)):
            for token in _tokens(part):
                words[token] = None
                words[stem(token)] = None
        for linked in _LINKED.findall(text):  # "X-ray" is also found as "xray"
            words["".join(_tokens(linked))[:MAX_WORD]] = None
    return f" {' '.join(words)} " if words else ""


@dataclass(frozen=True, slots=True)
class QueryWord:
    """One word looked for, in any of its forms; `prefix` when it may go on."""

    forms: tuple[str, ...]
    prefix: str = ""


def query_words(text: str) -> tuple[QueryWord, ...]:
    """The words of a query in the order typed; the last may be unfinished. Empty when there are none."""
    tokens = [token for token in _unique(_tokens(text)) if token not in STOP_WORDS][:MAX_WORDS]
    words = [QueryWord(tuple(_unique((token, stem(token))))) for token in tokens]
    if tokens and len(tokens[-1]) >= SHORTEST_PREFIX and tokens[-1] == (_tokens(text) or [""])[-1]:
        words[-1] = QueryWord(words[-1].forms, prefix=tokens[-1])
    return tuple(words)


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


EXCERPT = 220  # characters


def excerpt(text: str, words: Iterable[QueryWord]) -> list[tuple[str, bool]]:
    """The part of `text` that says most about `words`, in pieces, each with whether it is one of them."""
    text = " ".join(text.split())
    wanted = list(words)
    found = [match.span() for match in _TOKEN.finditer(text) if _is_one_of(match.group(), wanted)]
    start = _best_start(text, [begin for begin, _ in found])
    end = len(text) if len(text) - start <= EXCERPT + 20 else text.rfind(" ", start, start + EXCERPT)
    end = end if end > start else start + EXCERPT
    pieces: list[tuple[str, bool]] = [("… ", False)] if start else []
    at = start
    for begin, stop in found:
        if at <= begin and stop <= end:
            pieces += [(text[at:begin], False), (text[begin:stop], True)]
            at = stop
    pieces.append((text[at:end] + (" …" if end < len(text) else ""), False))
    return [piece for piece in pieces if piece[0]]


def _best_start(text: str, begins: list[int]) -> int:
    """Where the excerpt with the most words begins: at the start, or at the last sentence that has as many."""
    sentences = [0] + [match.end() for match in re.finditer(r"[.!?] ", text)]
    counts = {start: sum(start <= begin < start + EXCERPT for begin in begins) for start in sentences}
    return max(sentences, key=lambda start: (counts[start], start == 0, start))


def _is_one_of(token: str, words: list[QueryWord]) -> bool:
    plain = folded(token)
    forms = {plain, stem(plain)}
    return any(forms & set(word.forms) or (word.prefix and plain.startswith(word.prefix)) for word in words)
