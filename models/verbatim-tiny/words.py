"""The words of the training texts, by what they can do in a picture idea or a sentence."""


def _words(text):
    return text.split()


ANIMALS = _words("""
fox cat dog wolf bear owl eagle horse rabbit deer lion tiger elephant mouse frog turtle penguin whale dolphin shark
octopus crab snail bee butterfly spider crow swan duck goose hen cow sheep goat pig camel monkey panda koala parrot
peacock squirrel hedgehog otter seal lizard snake zebra giraffe kitten puppy lamb hawk raven salmon
""")
PEOPLE = _words("""
woman man child girl boy dancer painter sailor farmer king queen knight wizard witch pirate astronaut doctor teacher
baker soldier monk singer clown detective gardener fisherman nurse pilot dragon robot giant fairy ghost princess prince
shepherd hunter traveller blacksmith violinist drummer grandmother grandfather student chef
""")
PLACES = _words("""
forest mountain valley river lake desert meadow beach island waterfall canyon glacier volcano jungle swamp field hill
cliff cave coast prairie garden orchard vineyard pond marsh dune reef bay fjord
""")
BUILDINGS = _words("""
city street castle house tower bridge temple church library market station harbour lighthouse cottage palace barn mill
village town cabin hut ruin windmill skyscraper cathedral school museum theatre hotel factory bakery shop cafe alley
square fountain gate wall rooftop balcony
""")
THINGS = _words("""
lamp chair table clock book candle mirror violin guitar piano umbrella hat coat shoe ring crown sword shield key door
window basket bottle cup bowl teapot kettle vase letter map compass telescope camera radio typewriter lantern rope
ladder hammer anchor bell drum flute mask coin feather stone shell box suitcase pillow blanket carpet
""")
VEHICLES = _words("""
ship boat train car bicycle bus tram truck plane balloon rocket canoe wagon tractor motorcycle submarine sailboat
carriage airship ferry
""")
FOODS = _words("""
apple bread cake cheese soup coffee tea honey lemon orange grape cherry pear peach melon strawberry tomato carrot onion
pumpkin mushroom rice noodle pancake cookie pie chocolate sandwich salad egg fish butter milk pepper potato
""")
PLANTS = _words("""
rose tulip sunflower daisy lily oak pine willow maple birch fern moss ivy cactus bamboo lavender orchid tree flower leaf
grass palm
""")
SKY = _words("""
moon sun star comet planet galaxy cloud rainbow storm sunset sunrise aurora meteor nebula lightning sky
""")
ADJECTIVES = _words("""
small big old young quiet loud happy sad lonely brave shy sleepy hungry curious tired golden silver wooden rusty broken
shiny dark bright warm cold wet dry soft hard heavy light fast slow tall short long round narrow wide deep high low
ancient modern strange secret hidden lost forgotten empty full clean dirty gentle wild calm angry proud clever lazy
busy tiny huge thin fat sweet sour bitter fresh frozen burning glowing floating flying sleeping dancing smiling
dreaming abandoned magical mysterious beautiful simple perfect crooked fluffy striped spotted foggy snowy rainy sunny
windy dusty misty crystal velvet paper stone iron glass
""")
COLOURS = _words("""
red blue green yellow black white brown grey pink purple orange violet crimson turquoise
""")
DOING = _words("""
running sleeping sitting standing walking jumping flying swimming reading writing singing dancing playing eating
drinking looking waiting climbing hiding fishing cooking painting working resting laughing crying dreaming falling
rising burning growing hanging floating drifting sailing driving riding chasing watching holding carrying
""")
PREPOSITIONS = ["in", "on", "near", "under", "above", "behind", "beside", "over", "by", "inside", "beyond", "across from"]
TIMES = [
    "at night", "at dawn", "at dusk", "at noon", "in winter", "in summer", "in spring", "in autumn", "in the rain",
    "in the snow", "in the fog", "in the morning", "in the evening", "at midnight", "after the storm", "before sunrise",
    "under the stars", "in the wind", "on a sunny day", "on a cold day",
]
VERBS = _words("""
find take make give keep hold bring send show open close move turn start stop begin end build break fix clean wash
cook eat drink sleep wake walk run jump swim fly read write draw sing play work rest help ask answer tell say speak
call hear listen see look watch feel touch smell taste think know learn teach forget remember believe hope want need
love like hate fear laugh cry smile buy sell pay cost win lose try wait stay leave go come meet visit follow lead
carry push pull throw catch cut put set sit stand lie fall rise grow change count measure plan choose share save
spend waste paint plant wear use
""")
PAST = _words("""
found took made gave kept held brought sent showed opened closed moved turned started stopped built broke fixed
cleaned washed cooked ate drank slept woke walked ran jumped swam flew wrote drew sang played worked rested helped
asked answered told said spoke called heard saw looked watched felt touched thought knew learned forgot remembered
wanted needed loved liked laughed cried smiled bought sold paid won lost tried waited stayed left went came met
visited followed carried pushed pulled threw caught painted planted
""")
NOUNS = _words("""
time day week month year hour minute second morning evening night spring summer autumn winter friend family brother
sister mother father son daughter uncle aunt neighbour name word story song game question idea reason problem plan
answer secret dream life world country road path way side place room kitchen floor roof corner desk bed wall paper pen
pencil page line list number letter picture colour sound voice music silence light shadow fire water air earth wind
rain snow ice sand dust smoke gold iron wood metal glass plastic cotton wool leather silk money price bill ticket bag
pocket button wheel engine machine computer phone screen keyboard program code test model message text sentence
language mind heart head hand foot finger eye ear nose mouth hair face arm leg back skin bone blood health
medicine hospital office meeting job boss team company bank law court police army war peace nation government
history science art culture nature weather season holiday party birthday gift present surprise party wedding
journey trip ticket airport border hotel ocean sea shore wave tide current surface bottom top middle edge centre
north south east west left right front part piece half whole pair group crowd row circle square triangle
shape size weight height length width speed power energy heat
""")
FUNCTION = _words("""
the a an and or but if then so because when while where who what which that this these those it he she we they you i
me him her us them my your his our their is are was were be been has have had do does did will would can could should
may might must not no yes very too more most less least much many few some any all every each other another same
different again always never often sometimes soon later now here there up down in out on off over under with without
from to of for by at about into through between against during before after since until than as
""")
ADVERBS = _words("""
quickly slowly quietly loudly happily sadly carefully easily hardly nearly almost really quite rather just only even
still already yet once twice today tomorrow yesterday tonight maybe perhaps together alone away home outside inside
""")
NAMES = _words("""
Anna Ben Clara David Emma Felix Grace Henry Ida Jack Kate Leo Maria Nina Oscar Paul Rosa Sam Tom Vera Will Zoe Alice
Bob Carol Dan Eve Frank Greta Hugo Ines Jonas Lena Max Olga Peter
""")

# The first word of a picture idea that is in one of these decides how it is enhanced.
TOPICS = {
    "animal": ANIMALS,
    "person": PEOPLE,
    "landscape": PLACES,
    "building": BUILDINGS,
    "thing": THINGS,
    "vehicle": VEHICLES,
    "food": FOODS,
    "plant": PLANTS,
    "sky": SKY,
}

SUBJECTS = [word for words in TOPICS.values() for word in words]

KNOWN = sorted(
    set(
        SUBJECTS + ADJECTIVES + COLOURS + DOING + VERBS + PAST + NOUNS + FUNCTION + ADVERBS
        + [word for words in PREPOSITIONS + TIMES for word in words.split()]
    )
)

# Real words that occur nowhere in the training texts; evaluation only.
HELD_OUT = _words("""
walrus badger ostrich beetle lobster pelican antelope mammoth carpenter magician beggar tailor plumber goddess iceberg
tundra lagoon geyser ravine chapel pagoda fortress hangar greenhouse scarf bucket trumpet goblet necklace magnet
scissors hourglass scooter gondola helicopter zeppelin sledge banana walnut almond garlic spinach yoghurt biscuit
cinnamon juniper thistle hemlock dandelion eclipse horizon hurricane asteroid dusk-blue timid clumsy jagged hollow
marble ivory scarlet indigo amber kneeling whistling juggling wandering gliding borrow whisper scatter stumble
juggle polish hurry divide collect vanished climbed whispered delivered gathered freedom courage wisdom justice
rhythm balance mystery kingdom harvest treasure voyage pattern puzzle method theory logic bargain engineer
furniture curtain chimney cellar attic basement garage hallway blizzard drizzle thunder breeze pebble gravel
puddle stream meadowlark tortoise hamster flamingo jaguar buffalo donkey mosquito caterpillar grasshopper
""")
HELD_OUT = [word for word in HELD_OUT if "-" not in word]
assert not set(HELD_OUT) & set(KNOWN), set(HELD_OUT) & set(KNOWN)
