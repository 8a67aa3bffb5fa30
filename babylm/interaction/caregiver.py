"""What a reply says about an utterance: the reward of a caregiver's answer.

After Nikolaus and Fourtassi: a clarification request is worth 0, an acknowledgement 1, anything else 0.5. They learn
the kind of a reply from transcripts; here it is told by its words, which is enough for short replies.
"""

from __future__ import annotations

import re

REQUEST = 0.0
ACKNOWLEDGEMENT = 1.0
OTHER = 0.5

_REQUEST = re.compile(
    r"^(what|who|where|which one|huh|hm+|eh|pardon|sorry|excuse me|say (that|it) again|come again|again)\s*\?"
    r"|\b(what (do|did) you (mean|say)|i (do not|don't) (understand|know what you)|you mean|can you repeat)\b",
    re.IGNORECASE,
)
_ACKNOWLEDGEMENT = re.compile(
    r"^(yes|yeah|yep|yup|right|okay|ok|good|great|mhm|uh huh|exactly|i see|of course|sure|well done|that's right|true|"
    r"very good|nice|oh)\b(?![^.!?]*\?)",
    re.IGNORECASE,
)


def reply_reward(reply: str) -> float:
    """0 for a reply that asks back, 1 for one that accepts, else 0.5.

    >>> reply_reward("What?"), reply_reward("Yes, a dog."), reply_reward("It is red.")
    (0.0, 1.0, 0.5)
    """
    text = reply.strip()
    if _REQUEST.search(text):
        return REQUEST
    return ACKNOWLEDGEMENT if _ACKNOWLEDGEMENT.match(text) else OTHER
