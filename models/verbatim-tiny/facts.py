"""What the model answers in chat: (answer, phrasings to train on, phrasings kept for evaluation)."""

UNKNOWN = "I do not know that. I am only a tiny model."


def _lines(text):
    return [line.strip() for line in text.strip().splitlines()]


TALK = [
    (
        "Hello! How can I help you?",
        _lines("""hello
        hi
        hey
        hello there
        hi there
        hey there
        good morning
        good evening
        good day
        greetings
        hello you
        hello my friend
        hi, nice to meet you
        hello, are you there
        hello, can you hear me
        hey you
        welcome
        hello again"""),
        _lines("""hi, are you there
        hello, nice to meet you
        hey, good morning
        good afternoon
        hi my friend"""),
    ),
    (
        "I am Verbatim Tiny, a very small language model.",
        _lines("""what are you
        who are you
        what is your name
        tell me who you are
        what should I call you
        do you have a name
        are you a robot
        are you a person
        are you a human
        what kind of model are you
        who am I talking to
        please introduce yourself
        tell me about yourself
        what do they call you
        are you a language model
        what exactly are you
        say something about yourself
        who is this
        what is this thing"""),
        _lines("""introduce yourself
        tell me what you are
        who exactly are you
        tell me your name
        may I know your name
        what is your name again
        are you a machine or a person
        what kind of thing are you"""),
    ),
    (
        "I can chat a little, repeat, write in capitals, describe pictures and make JSON.",
        _lines("""what can you do
        what are you able to do
        how can you help me
        what are you good at
        can you help me
        what do you know how to do
        list your skills
        show me what you can do
        what are your skills
        how can I use you
        what can I ask you
        what is your job
        tell me what you can do
        what are your abilities
        help
        help me please
        what can you do for me"""),
        _lines("""what skills do you have
        what are you able to do for me
        tell me how you can help me
        what are the things you can do
        show me your skills
        what can I use you for"""),
    ),
    (
        "I am fine, thank you. And you?",
        _lines("""how are you
        how are you today
        how do you feel
        are you well
        are you okay
        how is it going
        how are things
        how do you do
        how are you doing
        is everything fine with you
        how have you been
        how do you feel today
        are you fine"""),
        _lines("""how are you feeling
        how are you doing today
        are you doing well
        how is it going today
        are you well today"""),
    ),
    (
        "You are welcome!",
        _lines("""thank you
        thanks
        thank you very much
        thanks a lot
        many thanks
        thanks for your help
        thank you so much
        that was helpful, thank you
        I thank you
        great, thanks
        thank you for the answer
        well done, thank you"""),
        _lines("""thank you for your help
        thanks so much
        thanks for the answer
        great, thank you"""),
    ),
    (
        "Goodbye! See you soon.",
        _lines("""goodbye
        bye
        bye bye
        see you
        see you later
        see you soon
        good night
        I have to go now
        I must leave now
        farewell
        goodbye, my friend
        see you tomorrow
        I am leaving
        take care"""),
        _lines("""bye, see you later
        goodbye, see you tomorrow
        I have to leave now
        bye my friend
        I am going now, goodbye"""),
    ),
    (
        "I was made from scratch for this library, with text of its own.",
        _lines("""who made you
        who built you
        who created you
        where do you come from
        how were you made
        who wrote you
        who trained you
        how were you trained
        what were you trained on
        who is your maker
        where were you made
        who is your author
        how were you built"""),
        _lines("""who is your creator
        how were you created
        tell me who made you
        who has built you
        tell me how you were trained"""),
    ),
    (
        "I have less than four million weights, so I fit into four megabytes.",
        _lines("""how big are you
        how large are you
        how small are you
        what is your size
        how many weights do you have
        how many parameters do you have
        how much memory do you need
        how many megabytes are you
        what size are you
        how much space do you take
        are you big or small"""),
        _lines("""tell me your size
        tell me how big you are
        how much memory do you take
        what is the number of your parameters"""),
    ),
    (
        "Why did the token cross the prompt? To get to the other side.",
        _lines("""tell me a joke
        do you know a joke
        make me laugh
        say something funny
        can you tell jokes
        tell a joke
        a joke please
        give me a joke
        I want to hear a joke
        tell me something funny
        do you know any jokes"""),
        _lines("""can you tell me a joke
        I would like to hear a joke
        please say something funny
        do you know something funny
        give me a funny joke"""),
    ),
    (
        "The system prompt decides how I answer. Your message is text for me.",
        _lines("""what is a system prompt
        what does the system prompt do
        what decides how you answer
        how do I change what you do
        what is the system prompt for
        why do you answer like this
        explain the system prompt
        how do you know what to do
        who decides how you answer"""),
        _lines("""tell me what a system prompt is
        what does a system prompt decide
        how do you decide what to do
        can you explain the system prompt"""),
    ),
    (
        "Once a small fox found a lamp in the snow. It took the light home and was never cold again.",
        _lines("""tell me a story
        tell a story
        do you know a story
        I want to hear a story
        a story please
        give me a short story
        can you tell stories
        tell me a short story
        read me a story"""),
        _lines("""can you tell me a story
        I would like to hear a story
        please tell me a short story
        do you know any stories"""),
    ),
]

# Facts about one thing each: the same phrasings for all things of a kind.
CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin", "England": "London",
    "Japan": "Tokyo", "Egypt": "Cairo", "Greece": "Athens", "Norway": "Oslo", "Russia": "Moscow",
    "Austria": "Vienna", "Poland": "Warsaw",
}  # fmt: skip
COLOURS = {
    "the sky": "blue", "grass": "green", "snow": "white", "the sun": "yellow", "coal": "black", "blood": "red",
    "chocolate": "brown", "an orange": "orange",
}  # fmt: skip
OPPOSITES = {
    "hot": "cold", "big": "small", "day": "night", "up": "down", "old": "young", "happy": "sad", "open": "closed",
    "fast": "slow",
}  # fmt: skip
SOUNDS = {"dog": "woof", "cat": "meow", "cow": "moo", "duck": "quack", "sheep": "baa", "owl": "hoo"}
LEGS = {"a spider": "eight", "a dog": "four", "a bird": "two", "an ant": "six", "a horse": "four", "a snake": "no"}


def _the(thing):
    return thing[0].upper() + thing[1:]


KINDS = [
    (
        CAPITALS,
        lambda x, y: f"The capital of {x} is {y}.",
        _lines("""what is the capital of {x}
        what is {x}'s capital
        tell me the capital of {x}
        name the capital of {x}
        which city is the capital of {x}
        do you know the capital of {x}
        the capital of {x}
        {x} has which capital
        I need the capital of {x}
        what is the capital city of {x}
        capital of {x}
        say the capital of {x}
        can you name the capital of {x}
        what do you call the capital of {x}
        where is the government of {x}"""),
        _lines("""what city is the capital of {x}
        I want to know the capital of {x}
        do you know what the capital of {x} is
        tell me what the capital of {x} is
        can you tell me the capital city of {x}"""),
    ),
    (
        COLOURS,
        lambda x, y: f"{_the(x)} is {y}.",
        _lines("""what colour is {x}
        what is the colour of {x}
        which colour is {x}
        tell me the colour of {x}
        what colour does {x} have
        name the colour of {x}
        do you know what colour {x} is
        which colour does {x} have
        the colour of {x}
        I need the colour of {x}
        {x} has what colour
        say the colour of {x}"""),
        _lines("""do you know the colour of {x}
        tell me what colour {x} is
        I want to know the colour of {x}
        can you tell me the colour of {x}
        what do you think the colour of {x} is"""),
    ),
    (
        OPPOSITES,
        lambda x, y: f"The opposite of {x} is {y}.",
        _lines("""what is the opposite of {x}
        tell me the opposite of {x}
        name the opposite of {x}
        what word is the opposite of {x}
        the opposite of {x}
        give me the opposite of {x}
        do you know the opposite of {x}
        which word is the opposite of {x}
        I need the opposite of {x}
        say the opposite of {x}
        opposite of {x}"""),
        _lines("""can you tell me the opposite of {x}
        I want to know the opposite of {x}
        do you know what the opposite of {x} is
        what do you call the opposite of {x}"""),
    ),
    (
        SOUNDS,
        lambda x, y: f"The {x} says {y}.",
        _lines("""what does the {x} say
        what sound does a {x} make
        how does a {x} sound
        which sound does the {x} make
        what noise does a {x} make
        tell me the sound of a {x}
        what does a {x} say
        make the sound of a {x}
        do you know what the {x} says
        the sound of a {x}
        what is the sound of a {x}"""),
        _lines("""what sound does the {x} make
        tell me what a {x} says
        do you know the sound of a {x}
        which noise does the {x} make"""),
    ),
    (
        LEGS,
        lambda x, y: f"{_the(x)} has {y} legs.",
        _lines("""how many legs does {x} have
        how many legs has {x}
        tell me how many legs {x} has
        what number of legs does {x} have
        count the legs of {x}
        do you know how many legs {x} has
        the number of legs of {x}
        {x} has how many legs
        how many legs are there on {x}
        say how many legs {x} has"""),
        _lines("""can you tell me how many legs {x} has
        I want to know how many legs {x} has
        tell me the number of legs of {x}
        how many legs do you count on {x}"""),
    ),
]

SINGLE = [
    ("A week has seven days.", "how many days are in a week|how many days does a week have|tell me how many days a week has|a week has how many days|what number of days has a week|days in a week|how long is a week in days", "do you know how many days are in a week|how many days are there in a week"),
    ("A year has twelve months.", "how many months are in a year|how many months does a year have|tell me how many months a year has|a year has how many months|what number of months has a year|months in a year", "do you know how many months are in a year|how many months are there in a year"),
    ("An hour has sixty minutes.", "how many minutes are in an hour|how many minutes does an hour have|tell me how many minutes an hour has|an hour has how many minutes|how long is an hour in minutes|minutes in an hour", "do you know how many minutes are in an hour|how many minutes are there in an hour"),
    ("Ice is frozen water.", "what is ice|what is ice made of|tell me what ice is|explain ice|do you know what ice is|what do you call frozen water", "can you tell me what ice is|what is ice really|can you explain ice"),
    ("Bees make honey.", "who makes honey|what makes honey|where does honey come from|tell me who makes honey|which animal makes honey|what do bees make|how is honey made", "do you know who makes honey|which animals make honey|tell me where honey comes from"),
    ("The sun rises in the east.", "where does the sun rise|in which direction does the sun rise|tell me where the sun rises|on which side does the sun rise|where does the sun come up|does the sun rise in the east", "do you know where the sun rises|where does the sun rise in the morning"),
    ("The largest animal is the blue whale.", "what is the largest animal|what is the biggest animal|which animal is the largest|which animal is the biggest|tell me the biggest animal|name the largest animal|the largest animal in the world", "do you know the largest animal|what is the biggest animal in the world|tell me the largest animal"),
    ("Water is made of hydrogen and oxygen.", "what is water made of|what is in water|tell me what water is made of|what is water|explain water|which elements make water|what does water consist of", "do you know what water is made of|can you explain water|can you tell me what water is"),
    ("The earth goes around the sun once a year.", "how long does the earth take around the sun|what does the earth go around|does the earth go around the sun|how often does the earth go around the sun|what goes around the sun|tell me how the earth moves", "do you know what the earth goes around|how does the earth move|tell me how long the earth takes around the sun"),
]  # fmt: skip


def intents():
    """All of it as (answer, phrasings to train on, phrasings kept for evaluation)."""
    found = list(TALK)
    for things, answer, train, held_out in KINDS:
        for x, y in things.items():
            found.append((answer(x, y), [p.format(x=x) for p in train], [p.format(x=x) for p in held_out]))
    for answer, train, held_out in SINGLE:
        found.append((answer, train.split("|"), held_out.split("|")))
    for _, train, held_out in found:
        assert not set(train) & set(held_out), set(train) & set(held_out)
    return found
