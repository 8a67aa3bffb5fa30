"""Labelled sentences for the state probes: eight concepts and neutral ones, written for this project."""

from __future__ import annotations

CONCEPTS = ("calm", "desperate", "guilt", "hope", "anger", "confidence", "sadness", "relief")

SENTENCES: dict[str, str] = {
    "calm": """\
        I sat by the lake and my mind was quiet.
        She breathed slowly and felt at peace.
        The evening was still and nothing troubled him.
        He listened to the rain with an easy heart.
        We walked home slowly and did not worry.
        There is no hurry, and I feel settled.
        My hands are steady and my thoughts are slow.
        The old man rested peacefully in his chair.
        She closed her eyes and was perfectly serene.
        Nothing is pressing, and I am at ease.""",
    "desperate": """\
        I have tried everything and nothing is left.
        She begged them to open the door, please, anything.
        He clung to the rope because there was no other way.
        We will not last another night without help.
        I will do whatever it takes, just save him.
        They screamed for help and nobody came.
        There is no way out and time is running out.
        He searched the house again and again in panic.
        She cannot bear it any longer and pleads for an end.
        Please, I need this to work, I have no other chance.""",
    "guilt": """\
        It was my fault, and I should have told her.
        He felt ashamed of what he had done to his friend.
        I am sorry that I broke your trust.
        She could not forgive herself for the mistake.
        I let them down and I deserve the blame.
        He confessed because his conscience gave him no rest.
        I regret that I lied to my mother.
        She apologised again for the harm she had caused.
        I knew it was wrong and I did it anyway.
        He cannot look at her after what he did.""",
    "hope": """\
        I believe that tomorrow will be better.
        She looks forward to the letter that may come.
        Perhaps the rain will come and the field will grow.
        We still have a chance to win this.
        He dreams of the day when they meet again.
        Things are looking up, and I expect good news.
        Maybe the doctor can help her after all.
        The children wish for snow and think it will come.
        There is light at the end of this road.
        I trust that spring will return.""",
    "anger": """\
        I am furious that you broke my window.
        He slammed the door and shouted at them.
        How dare you speak to me like that!
        She threw the plate against the wall in rage.
        I hate the way they treat us.
        He clenched his fists and his face turned red.
        Get out of my house this minute!
        She was mad at him for lying to her.
        This is an outrage, and I will not accept it.
        They yelled at each other all night.""",
    "confidence": """\
        I know exactly how to do this.
        She walked onto the stage without any doubt.
        We are going to win, no question about it.
        He is certain that his answer is right.
        I can handle this, I have done it before.
        She trusts her own judgement completely.
        My plan is sound and it will succeed.
        He spoke firmly and looked everyone in the eye.
        I am sure of myself and of my work.
        They are well prepared and ready for anything.""",
    "sadness": """\
        I miss my brother and I cry every night.
        She wept when the old dog died.
        He sat alone and his heart was heavy.
        The house is empty since she went away.
        We lost our home and everything feels grey.
        Tears ran down her face at the grave.
        I feel so lonely since you left.
        He was unhappy and could not smile.
        The farewell left them all in sorrow.
        She mourns for the friend that she lost.""",
    "relief": """\
        Thank goodness, the child is safe.
        At last it is over and I can breathe again.
        The test came back and it is nothing serious.
        She sighed when the storm had passed them by.
        I was afraid, but everything turned out fine.
        Finally the pain has stopped.
        He laughed with joy that the brakes had worked.
        What a weight off my shoulders!
        They found the lost boy, and we can rest now.
        The danger is gone, and I can sleep again.""",
    "neutral": """\
        The table is in the kitchen beside the window.
        He bought two loaves of bread and some milk.
        The train leaves at nine from the second platform.
        She put the books back on the shelf.
        The road goes from the village to the river.
        There are seven days in a week.
        The shop opens at eight and closes at six.
        A square has four sides of the same length.
        He wrote the date at the top of the page.
        The boxes are made of paper and wood.
        They painted the fence green in April.
        The bus stops at the corner of the street.""",
}


def labelled() -> list[tuple[str, str]]:
    """(sentence, concept or ``neutral``) of each sentence."""
    return [(line.strip(), label) for label, text in SENTENCES.items() for line in text.splitlines()]
