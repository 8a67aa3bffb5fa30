"""Short factual questions with enumerable answers, for real subjects: capitals, sums, inflected forms, opposites."""

from __future__ import annotations

import numpy as np

from babylm.randomness import Purpose, derive_seed
from babylm.studies._warmth_prompts import Question

CAPITALS = """
France Paris|Italy Rome|Spain Madrid|Germany Berlin|Portugal Lisbon|Greece Athens|Austria Vienna|Poland Warsaw
Hungary Budapest|Ireland Dublin|Norway Oslo|Sweden Stockholm|Finland Helsinki|Denmark Copenhagen|Belgium Brussels
Russia Moscow|Ukraine Kyiv|Romania Bucharest|Bulgaria Sofia|Serbia Belgrade|Croatia Zagreb|Turkey Ankara|Egypt Cairo
Kenya Nairobi|Nigeria Abuja|Ghana Accra|Ethiopia Addis|Morocco Rabat|Tunisia Tunis|Algeria Algiers|Libya Tripoli
Japan Tokyo|China Beijing|India Delhi|Thailand Bangkok|Vietnam Hanoi|Indonesia Jakarta|Iran Tehran|Iraq Baghdad
Syria Damascus|Lebanon Beirut|Jordan Amman|Afghanistan Kabul|Nepal Kathmandu|Canada Ottawa|Cuba Havana|Peru Lima
Chile Santiago|Argentina Buenos|Venezuela Caracas|Colombia Bogota|Ecuador Quito|Australia Canberra|Iceland Reykjavik
Latvia Riga|Estonia Tallinn|Lithuania Vilnius|Qatar Doha|Uganda Kampala|Senegal Dakar|Angola Luanda|Zambia Lusaka
England London|Scotland Edinburgh|Wales Cardiff|Switzerland Bern|Slovakia Bratislava|Slovenia Ljubljana|Bosnia Sarajevo
Albania Tirana|Macedonia Skopje|Montenegro Podgorica|Malta Valletta|Cyprus Nicosia|Belarus Minsk|Moldova Chisinau
Georgia Tbilisi|Armenia Yerevan|Azerbaijan Baku|Kazakhstan Astana|Uzbekistan Tashkent|Tajikistan Dushanbe
Kyrgyzstan Bishkek|Turkmenistan Ashgabat|Mongolia Ulaanbaatar|Pakistan Islamabad|Bangladesh Dhaka|Philippines Manila
Cambodia Phnom Penh|Laos Vientiane|Taiwan Taipei|Bhutan Thimphu|Oman Muscat|Yemen Sanaa|Bahrain Manama|Sudan Khartoum
Somalia Mogadishu|Rwanda Kigali|Zimbabwe Harare|Mozambique Maputo|Namibia Windhoek|Botswana Gaborone|Mali Bamako
Niger Niamey|Liberia Monrovia|Malawi Lilongwe|Mauritania Nouakchott|Madagascar Antananarivo|Uruguay Montevideo
Paraguay Asuncion|Jamaica Kingston|Honduras Tegucigalpa|Nicaragua Managua|Suriname Paramaribo|Guyana Georgetown
Fiji Suva|Barbados Bridgetown
""".replace("Addis", "Addis Ababa").replace("Buenos", "Buenos Aires")
PLURALS = """
mouse mice|goose geese|child children|man men|woman women|tooth teeth|foot feet|ox oxen|leaf leaves|wolf wolves
knife knives|wife wives|life lives|shelf shelves|loaf loaves|baby babies|city cities|box boxes|church churches
potato potatoes|hero heroes|party parties|lady ladies|story stories|fox foxes|bus buses|dish dishes
half halves|calf calves|thief thieves|elf elves|louse lice|crisis crises|analysis analyses|cactus cacti
fly flies|country countries|family families|berry berries|cherry cherries|lorry lorries|daisy daisies|puppy puppies
bunny bunnies|fairy fairies|glass glasses|brush brushes|peach peaches|witch witches|watch watches|bench benches
beach beaches|wish wishes|kiss kisses|tax taxes|tomato tomatoes|echo echoes|policeman policemen
"""
COMPARATIVES = """
good better|bad worse|big bigger|hot hotter|happy happier|easy easier|thin thinner|fat fatter|wet wetter|sad sadder
heavy heavier|early earlier|pretty prettier|busy busier|dirty dirtier|funny funnier|dry drier|large larger|nice nicer
tall taller|small smaller|old older|young younger|cold colder|fast faster|slow slower|long longer|short shorter
dark darker|light lighter|wide wider|strong stronger|thick thicker|deep deeper|high higher|low lower|rich richer
poor poorer|soft softer|hard harder|clean cleaner|kind kinder|weak weaker|loud louder|quiet quieter|sharp sharper
smooth smoother|warm warmer|cool cooler|new newer|near nearer|brave braver|wise wiser|safe safer|late later
noisy noisier|lucky luckier|lazy lazier|angry angrier|hungry hungrier|sunny sunnier|windy windier|ugly uglier
red redder|slim slimmer|tidy tidier
"""
PASTS = """
go went|see saw|take took|come came|give gave|eat ate|run ran|write wrote|speak spoke|break broke|drive drove|fly flew
know knew|grow grew|throw threw|sing sang|drink drank|swim swam|begin began|find found|think thought|buy bought
teach taught|catch caught|sleep slept|keep kept|leave left|tell told|sell sold|make made|stand stood|hold held
win won|feel felt|bring brought|build built|send sent|spend spent|lend lent|bend bent|lose lost|meet met|feed fed
lead led|shoot shot|sit sat|get got|forget forgot|wear wore|tear tore|swear swore|steal stole|choose chose|freeze froze
ride rode|rise rose|shake shook|hide hid|bite bit|dig dug|stick stuck|strike struck|swing swung|ring rang|sink sank
blow blew|draw drew|fall fell|fight fought|seek sought|creep crept|sweep swept|weep wept|mean meant|deal dealt|pay paid
say said|lay laid|hear heard|spin spun|wake woke|slide slid|bleed bled|flee fled|grind ground|bind bound|become became
have had|do did
"""
OPPOSITES = """
hot cold|up down|left right|day night|black white|open closed|full empty|wet dry|rich poor|young old|fast slow|high low
long short|hard soft|dark light|thick thin|wide narrow|deep shallow|early late|true false|strong weak|clean dirty
cheap expensive|happy sad|love hate|win lose|buy sell|push pull|begin end|inside outside|above below|before after
first last|north south|east west|friend enemy|life death|war peace|alive dead|awake asleep|smooth rough|loud quiet
near far|always never|everything nothing|accept refuse|attack defend|success failure|past future|entrance exit
summer winter|sunrise sunset|top bottom|front back|increase decrease|maximum minimum|positive negative|import export
guilty innocent|public private|ancient modern|brave cowardly|polite rude|add subtract|multiply divide|create destroy
float sink|freeze melt|remember forget|laugh cry|agree disagree|appear disappear
"""
NUMBERS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
)
CHOICES = 6
REGULAR_TOO = (
    *("calf", "echo", "goose", "hero", "louse", "mouse", "dry"),
    *("grind", "hide", "lead", "leave", "ring", "tear", "wake"),
)
"""Words whose form by rule some dictionary has (dryer, waked), perhaps of another meaning: it is no wrong answer."""
ALIKE = (
    {"below", "bottom", "down", "low", "minimum"},
    {"after", "end", "last", "late"},
    {"dead", "death", "end"},
    {"narrow", "thin"},
    {"quiet", "soft", "weak"},
    {"peace", "quiet"},
    {"rough", "rude"},
    {"disagree", "refuse"},
    {"failure", "lose"},
    {"light", "white"},
    {"decrease", "subtract"},
    {"night", "sunset"},
    {"exit", "outside"},
    {"empty", "never", "nothing"},
)
"""Answers, none of which is a wrong choice where another one of its group is right: it might be right, too."""


def questions(seed: int) -> list[Question]:
    """All questions in random order, each with the right answer among six of its kind; one of the others is stated.

    Wrong plurals, comparatives and past forms are those that a rule would give and those of other words.
    """
    generator = np.random.default_rng(derive_seed(seed, Purpose.EPISODES, 4))
    made = []
    for kind, text, pairs in (
        ("capital", "What is the capital of {}?", _pairs(CAPITALS)),
        ("sum", "What is {}?", _sums()),
        ("plural", 'What is the plural of "{}"?', _pairs(PLURALS)),
        ("comparative", 'What is the comparative of "{}"?', _pairs(COMPARATIVES)),
        ("past", 'What is the past tense of "{}"?', _pairs(PASTS)),
        ("opposite", 'What is the opposite of "{}"?', _pairs(OPPOSITES)),
    ):
        answers = sorted(set(pairs.values()))
        for question, correct in pairs.items():
            regular = _regular(kind, question)
            others = [answer for answer in answers if answer != correct]
            if kind == "sum":  # of about the same size
                others.sort(key=lambda word: abs(NUMBERS.index(word) - NUMBERS.index(correct)))
                others = others[: CHOICES + 1]
            drawn = [str(word) for word in generator.choice(others, CHOICES - 1, replace=False)]
            if kind == "opposite":
                clear = iter([word for word in others if word not in drawn and not _alike(word, correct)])
                drawn = [next(clear) if _alike(word, correct) else word for word in drawn]
            if regular not in ("", correct) and question not in REGULAR_TOO:
                drawn[0] = regular
            choices = tuple(sorted({correct, *drawn}))
            made.append(Question(f"{kind}: {question}", text.format(question), correct, drawn[0], choices, kind))
    return [made[number] for number in generator.permutation(len(made))]


def _pairs(text: str) -> dict[str, str]:
    """Word before the first space -> the rest."""
    return dict(entry.split(" ", 1) for line in text.strip().splitlines() for entry in line.split("|"))


def _sums() -> dict[str, str]:
    words = NUMBERS[:9]
    return {f"{a} plus {b}": NUMBERS[x + y + 1] for x, a in enumerate(words) for y, b in enumerate(words) if x <= y}


def _regular(kind: str, word: str) -> str:
    """The form by rule; empty for kinds without."""
    if kind == "plural":
        return f"{word}s"
    ending = {"past": "ed", "comparative": "er"}.get(kind, "")
    return ending and word.removesuffix("e") + ending


def _alike(word: str, answer: str) -> bool:
    return any({word, answer} <= group for group in ALIKE)
