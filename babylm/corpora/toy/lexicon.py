"""Words of the bundled corpus by meaning, the frequent ones first in each list; regular forms are made in
``inflection.py``.

``lemma:plural`` marks irregular nouns, ``lemma:past:participle`` irregular verbs. Lists are data: adding a word is
adding a word.
"""

from __future__ import annotations

NOUNS: dict[str, str] = {
    "male": """
        boy man:men father king brother prince uncle grandfather wizard knight clown grandson nephew
        gentleman:gentlemen
        fisherman:fishermen policeman:policemen snowman:snowmen cowboy monk""",
    "female": """
        girl woman:women mother queen sister princess aunt grandmother fairy witch lady mermaid granddaughter niece
        ballerina policewoman:policewomen seamstress:seamstresses""",
    "person": """
        child:children teacher doctor baby friend farmer baker neighbor painter singer driver sailor gardener nurse
        pirate builder dancer pilot guest visitor student giant hunter carpenter tailor shepherd drummer librarian
        explorer astronaut detective firefighter cleaner waiter plumber dentist swimmer runner skater juggler
        magician
        inventor scientist photographer musician actor writer reader traveler stranger helper winner leader captain
        soldier mechanic shopkeeper butcher florist jeweler potter weaver blacksmith miner lifeguard clerk beekeeper
        storyteller goalkeeper toddler twin cousin person:people""",
    "animal": """
        dog cat bird rabbit horse mouse:mice bear duck cow pig sheep:sheep frog fox kitten puppy goat lion monkey
        elephant hen chicken goose:geese owl squirrel turtle wolf:wolves tiger deer:deer hedgehog lamb pony
        donkey mole
        beaver otter badger penguin parrot raccoon camel giraffe zebra kangaroo crocodile snake lizard hippo
        rhino panda
        koala seal whale dolphin shark octopus crab snail spider bee butterfly ant beetle ladybug caterpillar worm
        grasshopper cricket moth dragonfly eagle crow swan robin sparrow pigeon peacock turkey rooster chick
        duckling
        piglet calf:calves foal cub gorilla leopard cheetah hamster hare ox:oxen llama moose:moose walrus pelican
        flamingo woodpecker stork dinosaur dragon unicorn gosling tadpole porcupine ostrich lobster
        jellyfish:jellyfish
        salamander chipmunk reindeer:reindeer""",
    "food": """
        apple cake cookie carrot egg banana pear sandwich orange pie strawberry potato tomato pancake nut
        cherry plum
        peach sausage pizza bun pretzel muffin cupcake lemon melon grape berry onion mushroom pumpkin bean pea
        biscuit
        waffle noodle dumpling raisin walnut cucumber pepper radish turnip beet coconut pineapple mango apricot
        blueberry raspberry blackberry meatball burger omelet pickle olive chestnut almond croissant doughnut
        lollipop
        toffee acorn""",
    "mass": """
        milk water bread cheese honey soup juice butter jam rice tea sugar salt flour corn chocolate porridge cream
        lemonade yogurt popcorn oatmeal gravy syrup cocoa pasta spinach cabbage meat mustard""",
    "toy": """
        ball doll book kite drum balloon puzzle puppet robot block crayon marble teddy whistle rocket scooter
        wagon sled
        rattle trumpet guitar flute violin piano tambourine yo-yo card mask crown sword wand jigsaw pinwheel
        dollhouse
        telescope microscope magnet paintbrush pencil notebook postcard stamp sticker ribbon""",
    "clothing": """
        hat coat shoe sock shirt scarf:scarves boot dress mitten jacket sweater glove cap belt apron skirt raincoat
        slipper sandal cape necklace bracelet ring button pocket vest blouse helmet bonnet cardigan""",
    "object": """
        box cup chair table basket bag bed lamp bowl spoon plate blanket bottle key bucket pillow clock knife:knives
        fork pot pan brush broom towel mirror candle ladder hammer rope umbrella shovel jar letter picture suitcase
        backpack lantern teapot kettle tray mug napkin vase curtain carpet shelf:shelves drawer cupboard stool bench
        sofa desk radio phone camera computer telephone envelope parcel package present gift wallet coin needle
        thread
        wrench nail screw bolt rake hose wheelbarrow bell flag net fishhook cage tent sponge bathtub comb toothbrush
        thermometer compass map anchor barrel sack crate treasure statue painting poster calendar newspaper magazine
        ticket leaf:leaves stone feather shell stick branch flower rose daisy tulip seed pebble pinecone
        sunflower""",
    "vehicle": """
        car train bus boat truck bicycle ship tractor airplane helicopter taxi van ambulance canoe sailboat
        motorcycle
        subway raft ferry trolley bulldozer submarine tricycle carriage cart""",
    "in": """
        garden kitchen house forest park room school field box tree cave barn river pond lake castle tent yard
        bedroom
        bathroom attic basement library store bakery museum hospital valley village town city meadow jungle
        desert ocean
        cottage stable hallway nest theater palace tunnel orchard greenhouse workshop classroom cellar tower
        zoo market""",
    "on": """
        hill beach farm roof bridge mountain porch island road street path playground stage balcony riverbank
        sidewalk""",
}
"""Countable nouns by class, but for ``mass``. ``in`` and ``on`` are places, named by their preposition."""

FEATURES: dict[str, str] = {
    "has": """
        dog:tail cat:whisker bird:wing rabbit:ear horse:mane mouse:tail bear:paw duck:feather cow:horn pig:snout
        frog:leg fox:tail goat:horn lion:mane monkey:tail elephant:trunk hen:beak owl:wing squirrel:tail
        turtle:shell
        wolf:tooth tiger:stripe deer:antler hedgehog:spine penguin:flipper parrot:feather camel:hump giraffe:neck
        zebra:stripe kangaroo:pouch crocodile:tooth snake:scale lizard:tail rhino:horn panda:paw seal:flipper
        whale:fin
        dolphin:fin shark:fin octopus:tentacle crab:claw snail:shell spider:leg bee:wing butterfly:wing ant:leg
        beetle:leg eagle:claw swan:neck peacock:feather rooster:comb pelican:beak flamingo:leg dragon:claw
        unicorn:horn
        walrus:tusk car:wheel train:wheel bus:window boat:sail truck:wheel bicycle:pedal airplane:wing tractor:wheel
        helicopter:propeller house:door castle:tower table:leg chair:leg book:page shirt:sleeve coat:zipper
        tree:branch
        flower:petal""",
    "sound": """
        dog:bark cat:purr bird:chirp duck:quack cow:moo pig:grunt frog:croak lion:roar owl:hoot wolf:howl
        sheep:bleat
        horse:neigh snake:hiss bee:buzz mouse:squeak chick:peep crow:caw rooster:crow dragon:roar tiger:growl
        bear:growl
        pigeon:coo turkey:gobble elephant:trumpet parrot:squawk kitten:mew puppy:yelp""",
    "moves": """
        bird:fly duck:swim rabbit:hop horse:gallop frog:leap monkey:climb turtle:crawl snake:slither whale:dive
        dolphin:swim shark:swim snail:creep butterfly:flutter bee:fly kangaroo:hop penguin:waddle eagle:soar
        spider:crawl ant:march bear:climb squirrel:climb crab:scuttle pony:trot donkey:trot goose:fly""",
    "home": """
        dog:house bird:nest rabbit:meadow horse:stable mouse:cellar bear:cave duck:pond cow:barn frog:pond
        fox:forest
        lion:jungle monkey:jungle hen:barn owl:forest squirrel:tree turtle:river wolf:forest deer:forest
        camel:desert
        crocodile:river whale:ocean dolphin:ocean shark:ocean octopus:ocean crab:ocean snail:garden spider:attic
        bee:meadow butterfly:garden worm:garden eagle:valley swan:lake lizard:desert goat:valley sheep:field""",
}
"""Facts about things, ``thing:fact``; a word of these lists that is no noun or verb above is one by its place here."""

VERBS: dict[str, str] = {
    "person eats": """
        eat:ate:eaten cook bake taste buy:bought:bought share peel slice serve mix stir chop cut:cut:cut grill toast
        roast
        sprinkle gobble nibble""",
    "animal eats": "eat:ate:eaten smell steal:stole:stolen chew lick sniff nibble swallow gather",
    "person uses": """
        carry hold:held:held find:found:found wash clean drop break:broke:broken hide:hid:hidden
        bring:brought:brought
        take:took:taken lose:lost:lost throw:threw:thrown draw:drew:drawn paint move push pull lift open close touch
        choose:chose:chosen buy:bought:bought sell:sold:sold fix repair build:built:built make:made:made
        keep:kept:kept wrap pack shake:shook:shaken fold drag collect borrow lend:lent:lent tie fill empty polish
        decorate sew:sewed:sewn design deliver send:sent:sent tear:tore:torn measure invent examine dust stack
        arrange
        mend glue knit weave:wove:woven hang:hung:hung
        admire inspect label load unpack unwrap own rent replace return scrub spin:spun:spun grab toss trade
        test""",
    "person wears": "wear:wore:worn wash fold mend try iron hang:hung:hung zip fasten sew:sewed:sewn knit",
    "person rides": "drive:drove:driven ride:rode:ridden wash steer repair stop follow",
    "animal uses": "find:found:found drop drag push bury hide:hid:hidden bite:bit:bitten chew scratch guard",
    "animate meets": """
        see:saw:seen help follow hear:heard:heard watch meet:met:met find:found:found call chase visit
        catch:caught:caught feed:fed:fed love know:knew:known hug teach:taught:taught greet scare thank kiss tickle
        wake:woke:woken tease surprise remember miss trust protect comfort praise invite lead:led:led answer
        understand:understood:understood
        forgive:forgave:forgiven photograph copy frighten admire join rescue welcome entertain warn amuse calm
        nudge""",
    "animate wants": """
        see:saw:seen like want need love find:found:found remember forget:forgot:forgotten notice prefer hate
        dislike enjoy discover describe recognize""",
    "animate alone": """
        sleep:slept:slept run:ran:run play jump laugh sing:sang:sung dance swim:swam:swum cry smile walk sit:sat:sat
        wait fall:fell:fallen stand:stood:stood rest work shout climb listen hop crawl sneeze yawn giggle skip march
        wander whisper cough snore nod wave tremble shiver stumble arrive hurry blink grin sigh wink
        kneel:knelt:knelt
        lie:lay:lain travel exercise hum gallop trot leap dive soar flutter waddle creep:crept:crept slither scuttle
        fly:flew:flown bow daydream clap camp relax rejoice stretch slip pause linger weep:wept:wept scream faint
        disappear appear vanish swagger stroll""",
    "thing alone": """
        fall:fell:fallen roll shine:shone:shone disappear shake:shook:shaken burn sparkle melt spin:spun:spun glow
        squeak rattle""",
    "noises": """
        bark purr chirp quack moo grunt croak roar hoot howl bleat neigh hiss buzz peep caw crow growl coo gobble
        trumpet squawk mew yelp squeak""",
    "says": "say:said:said ask answer shout whisper reply explain cry call",
    "thinks": """
        know:knew:known think:thought:thought say:said:said hope believe remember forget:forgot:forgotten guess
        hear:heard:heard""",
    "gives": """
        give:gave:given show:showed:shown bring:brought:brought send:sent:sent lend:lent:lent sell:sold:sold
        hand offer
        throw:threw:thrown""",
}
"""Verbs by who does it to what (see ``grammar.py``)."""

REFLEXIVE = """
    see help wash hurt:hurt:hurt love dry hide teach scratch draw paint surprise enjoy praise feed tickle photograph
    admire
"""
"""Verbs that people do to themselves."""

STATIVE = "see like want need love remember forget notice prefer hate dislike know hear own miss trust understand"
"""Verbs that are not used in the progressive."""

TRANSITIVE = "chase catch hug greet scare thank kiss tickle tease surprise find meet"
INTRANSITIVE = "sleep smile laugh sneeze yawn giggle cough snore wait arrive shiver fall"
"""Verbs that always, and that never, take an object."""

ADJECTIVES: dict[str, str] = {
    "size": "big small little tiny large huge long short tall wide narrow thick thin giant enormous",
    "color": "red blue green yellow white black brown pink purple orange gray golden silver violet",
    "animate": """
        happy sad hungry tired brave kind good young old angry quiet friendly gentle clever funny sleepy busy
        proud shy
        lazy polite noisy careful lonely curious nervous playful strong weak fast slow loud wise cheerful
        grumpy patient
        silly lucky healthy sick thirsty honest graceful clumsy calm fearless greedy helpful hopeful joyful
        merry nosy
        rude stubborn thoughtful timid jolly bold eager famous fierce generous jealous lively naughty swift
        tender""",
    "thing": """
        new old clean dirty pretty broken heavy light round soft hard wet dry shiny warm cold empty full beautiful
        smooth rough cheap sharp flat wooden plastic colorful fancy dusty muddy sticky useful strange simple
        square sturdy
        rusty fragile fluffy fuzzy lovely striped spotted sparkling tidy plain bright dark expensive magic neat""",
    "food": """
        sweet fresh tasty ripe hot delicious cold sour juicy crunchy yummy salty spicy warm crispy creamy bitter
        soft""",
}
LONG = """
    little tired square sour enormous golden silver violet careful lonely curious nervous playful cheerful patient
    honest graceful fearless helpful hopeful joyful stubborn thoughtful timid eager famous generous jealous
    beautiful wooden plastic colorful useful strange fragile striped spotted sparkling expensive magic delicious
    orange purple giant broken bitter polite
"""
"""Adjectives compared with *more*, or not at all."""

ADVERBS = """
    slowly quickly happily quietly loudly carefully gently softly sadly proudly bravely politely gladly calmly
    kindly eagerly nervously cheerfully angrily patiently gracefully clumsily lazily noisily playfully wisely boldly
    suddenly merrily shyly sleepily busily greedily neatly swiftly tenderly thoughtfully joyfully hopefully
    curiously fiercely
"""

NAMES: dict[str, str] = {
    "male": """
        Tom Ben Max Sam Leo Jack Oscar Finn Theo Henry Noah Adam Peter David Simon Felix Hugo Oliver Lucas
        Daniel Paul
        Jacob Martin George Owen Liam Ethan Isaac Caleb Eric Nathan Victor Walter Arthur Edward Samuel Thomas Andrew
        Patrick Louis Marcus Philip Gabriel Adrian Bruno Carlos Diego Emil Frank Gus Hassan Igor Jonas Kevin
        Lars Milo
        Nico Omar Pablo Quentin Rafael Stefan Tim Umar Vincent Wesley Yusuf Zack Amir Boris Cyrus Dmitri Elias
        Fabian
        Gavin Harold Ivan Jasper Kenji Lorenzo Mateo Nigel Otto Pierre Ravi Sergio Tobias""",
    "female": """
        Mia Anna Lily Ella Rosa Zoe Lucy Emma Nora Clara Alice Sara Julia Maya Ruth Ivy Hannah Grace Sophie Eva
        Olivia
        Amelia Chloe Esther Fiona Gina Helen Iris Jane Kate Laura Maria Nina Olga Paula Rachel Stella Tina
        Ursula Vera
        Wendy Yara Amy Bella Cora Dora Edith Freya Greta Heidi Ingrid Jenny Kira Lena Molly Naomi Petra Rita
        Susan Tara
        Willa Yasmin Zara Aisha Beatrice Carmen Diana Elena Flora Gloria Hazel Isabel Josephine Kiki Leila
        Martha Nadia
        Ophelia Phoebe Rosalind Sylvia Thea Valentina""",
}

LANDS = """
    Norway France Italy Spain Greece Egypt India China Japan Brazil Peru Mexico Canada Kenya Ghana Turkey Poland Sweden
    Finland Denmark Iceland Ireland Scotland Wales England Germany Austria Hungary Portugal Morocco Nigeria Ethiopia
    Chile Cuba Argentina Bolivia Korea Vietnam Thailand Nepal Australia Rome Paris London Berlin Vienna Madrid Athens
    Cairo Tokyo Oslo Lima Dublin Prague Boston Chicago Texas Alaska Florida Lisbon Venice Delhi Moscow Sydney Toronto
    Amsterdam Stockholm Helsinki Budapest Warsaw Istanbul Nairobi Lagos Havana Seattle Denver Dallas Hawaii Africa Asia
    Europe America
"""
"""Countries, cities and continents."""

NUMBERS = "two three four five six seven eight nine ten eleven twelve twenty thirty fifty"
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
SEASONS = "spring summer autumn winter"
MONTHS = "January February March April May June July August September October November December"
WEATHER = "sunny rainy windy snowy cloudy foggy stormy warm cold hot"
