"""Which language a text is in, told from the commonest words and the script; no download."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from chaffinch.core.types import Codes, Mask

# Of each language the commonest function words, none that is as common in another of the list.
_WORDS = {
    "English": "the and of to is that it was for with as on are this be by not have from they "
    "you he she his her which we would there their what will my i'm don't has been were your "
    "how can do does did",
    "German": "der die das und ist nicht ich zu den mit sich auf für ein eine einen auch dass es "
    "dem wird sind wie nach bei oder aus wir sie aber noch über kann mein meine war hat wurde",
    "French": "le les des et est une dans que qui pour pas sur au avec ce il elle sont nous vous "
    "mais ou du je ne cette être été plus très mon ma c'est j'ai aux ont",
    "Spanish": "el los las y es una que por con para del se como más pero su muy está yo mi al "
    "también fue ha son este esta cuando sin hay porque puedo tengo cómo qué",
    "Italian": "il gli che di è una per non sono della con nel si dei anche come più ma alla "
    "questo questa mi ho ha delle lo perché molto stato era mio mia",
    "Portuguese": "o os as um uma que não para com do da em por é se mais dos como foi ao ele ela "
    "são você muito eu meu minha está mas também isso pelo pela",
    "Dutch": "het een van en ik niet dat zijn voor met op aan er ook maar als bij nog wel deze "
    "naar wordt heeft mijn hebben werd kan geen je hij",
    "Swedish": "och att det som är på av för inte jag med har till om ett den han var så kan "
    "från vi men mycket eller hur min",
    "Danish": "og det er at på som ikke jeg af til har med den der for han var sig men også kan "
    "fra meget hvad hvordan min blev",
    "Polish": "nie się na jest że do to jak ale po co czy tak od ja za przez są mnie był był była "
    "bardzo tylko może już dla jestem",
    "Czech": "je se na že to jsem není jak ale za by co pro jsou který která byl byla tak ve si "
    "velmi také jako už",
    "Turkish": "bir ve bu için çok ne ile da de değil ben gibi daha var ama olarak kadar olan "
    "nasıl benim sonra",  # noqa: RUF001 - it is Turkish
    "Indonesian": "yang dan di ini itu untuk dengan tidak dari dalam akan pada saya adalah ke ada "
    "bisa atau juga sudah kami",
    "Finnish": "ja on ei se että oli hän mutta kun niin ovat minä myös tai kuin mitä sen joka ole "
    "olen hyvin",
    "Hungarian": "a az és hogy nem is egy ez meg van volt csak már mint de ki még azt lesz nagyon",
    "Romanian": "și în nu este cu pe care din mai la un pentru sunt ce am fost dar sau foarte "
    "acest această",
}
_LISTS = {name: frozenset(words.split()) for name, words in _WORDS.items()}
LANGUAGES = tuple(_LISTS)
"""Languages that are told apart by their words; others by their script alone."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_LATIN = "LATIN"
_LEAST_LETTERS = 5
_MOST_LETTERS = 600
_COMMON = 0.02
_LEAST_WORDS = 3
_LEAD = 2.0


def other_language(texts: Sequence[str]) -> tuple[Mask, list[str]]:
    """Texts in another script or language than nearly all of the set.

    A script or language of at least one text in 50 belongs to the set. A text is of another
    script where most of its letters are, and of another language where at least three of its
    words, and twice as many as of any language of the set, are among the commonest of that one.

    Args:
        texts: (N,) texts.

    Returns:
        Flags, and the script or language of each text; "" where it is not told.
    """
    short = [text[:_MOST_LETTERS] for text in texts]
    scripts = [script_of(text) for text in short]
    own = _common(scripts)
    flags = np.asarray([bool(one) and one not in own for one in scripts])
    hits = word_hits(short)
    best = hits.argmax(axis=1)
    told = hits.max(axis=1) >= _LEAST_WORDS
    unique = (hits == hits.max(axis=1, keepdims=True)).sum(axis=1) == 1
    names = [
        LANGUAGES[one] if known else "" for one, known in zip(best, told & unique, strict=True)
    ]
    home = [LANGUAGES.index(one) for one in _common(names)]
    foreign = np.ones(len(short), np.bool_)
    if home:
        foreign = hits.max(axis=1) >= _LEAD * np.maximum(hits[:, home].max(axis=1), 0.5)
    away = told & unique & foreign & ~np.isin(best, home) & bool(home)
    return flags | away, [
        script.title() if flag else name
        for script, flag, name in zip(scripts, flags, names, strict=True)
    ]


def word_hits(texts: Sequence[str]) -> Codes:
    """(N, 16) how many different words of each text are among the commonest of each language."""
    hits = np.zeros((len(texts), len(LANGUAGES)), np.int64)
    for row, text in enumerate(texts):
        words = set(_WORD.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))
        for column, name in enumerate(LANGUAGES):
            hits[row, column] = len(words & _LISTS[name])
    return hits


def script_of(text: str) -> str:
    """The script of most letters of a text, such as LATIN or CYRILLIC; "" for too few letters."""
    if text.isascii():
        return _LATIN if sum(map(str.isalpha, text)) >= _LEAST_LETTERS else ""
    counts = Counter(script for letter in text if (script := _script(letter)))
    if not counts:
        return ""
    name, count = counts.most_common(1)[0]
    # A few Chinese characters make a sentence; a few Latin letters make a name.
    least = _LEAST_LETTERS if name == _LATIN else 2
    return name if count >= least and count > sum(counts.values()) / 2 else ""


@lru_cache(maxsize=10_000)
def _script(letter: str) -> str:
    if not letter.isalpha():
        return ""
    name = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA", "CJK") else name


def _common(names: Sequence[str]) -> list[str]:
    counts = Counter(filter(None, names))
    total = sum(counts.values())
    return [name for name, count in counts.items() if count >= _COMMON * total]
