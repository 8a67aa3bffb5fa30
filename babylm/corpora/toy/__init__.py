"""The bundled corpus (a first sketch: a handful of words)."""

from babylm.corpora.sources import Document


def version():
    return "0"


def write(words, seed):
    import random

    r = random.Random(f"toy {seed}")
    n = 0
    while n < words:
        t = " ".join(r.choice("the a dog dogs cat cats runs run sees see".split()) for _ in range(30)) + "."
        n += 30
        yield Document("stories", t)
