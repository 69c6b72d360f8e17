//! Our own English lexicon: how good or bad words are, from -4 to 4, and the words that turn or scale them.

/// Strength, and words of that strength. A form with an ending that is not listed is looked up without it.
///
/// What people answer (yes, no, ok), ask for (cancel, help) or look for (cheap) is not here: it says what they want, not how they
/// feel.
pub(super) const WORDS: &[(f32, &str)] = &[
    (
        3.3,
        "amazing awesome brilliant excellent exceptional extraordinary fabulous fantastic flawless incredible love loved loves \
         magnificent marvelous marvellous outstanding perfect perfection phenomenal spectacular splendid stunning superb \
         wonderful wow",
    ),
    (
        2.6,
        "adore beautiful best delighted delicious delight delightful ecstatic enjoyed enjoy enjoyable enjoying favorite favourite \
         glad great happiest happily happiness happy impressed impressive joy joyful loving lovely pleasant pleased pleasure \
         remarkable terrific thrilled thrilling tremendous triumph",
    ),
    (
        2.0,
        "admire appreciate appreciated appreciates bonus brave celebrate charming cheerful clever comfortable congratulations \
         cool courteous cute elegant excited exciting friendly fun funny generous good grateful gratitude hilarious honest hope \
         hopeful kind laugh laughing likable nice praise proud reliable respectful safe satisfied satisfying smart smile succeed \
         success successful successfully superior sweet talented thank thankful thanks trust warm welcome winning worthy yay \
         excellent",
    ),
    (
        1.4,
        "advantage affordable calm capable care caring clean confident convenient creative easier easily easy effective efficient \
         elegantly encourage fast fine fresh helped helpful helping helps improve improved improvement improves improving \
         interesting liked like likes lucky neat peaceful polite powerful prompt promptly quick quickly recommend recommended \
         relaxed relief relieved resolved respect responsive satisfy smooth smoothly solved supportive swift tasty useful \
         valuable wealthy",
    ),
    (
        -1.3,
        "ache annoy anxious awkward bored boring bother bothered complain complained complaining complaint complaints complicated \
         concern concerned concerns confuse confused confusing costly delay delayed delays denied difficult difficulty dirty \
         disagree doubt doubtful forgot ignore ignored inconvenient incorrect issue issues lazy losing lost mess messy mistake \
         mistakes missed missing nervous noise noisy odd pity poorly problem problems questionable refused rejected sorry slow \
         slowly strange stuck struggle struggling suspicious tired trouble troubles unable unclear unexpected unfortunately \
         unhelpful unsure unwanted warn warning weak weird worry worries worried worrying wrong wrongly",
    ),
    (
        -2.0,
        "abuse angry annoyed annoying bad badly blame broke broken cheat cheated crash crashed crashes crashing damage damaged \
         danger dangerous declined defective desperate disappoint disappointed disappointing disappointment dislike disliked \
         dishonest dissatisfied disturbing dumb fail failed failing fails failure failures fake fear filthy fool forbidden \
         frustrate frustrated frustrating frustration guilty harm harmful hurt hurts ill impolite incompetent inferior insult \
         irritated irritating lie lied lies lying mad negligent nonsense offensive outage outraged overcharged overpriced pain \
         painful panic poor rip rude sad sadly scared scary shame shocked shocking sick silly steal stole stolen stress stressed \
         stressful stupid suck sucks suffer suffering threat ugly unacceptable unfair unfortunate unhappy unpleasant \
         unprofessional unreliable unsafe unsatisfied upset useless victim violation waste wasted wasting worse worthless",
    ),
    (
        -3.0,
        "abysmal appalling atrocious awful betrayed catastrophe catastrophic crap criminal cruel death despise destroy destroyed \
         died disaster disastrous disgust disgusted disgusting dreadful evil fraud fraudulent furious garbage hate hated hates \
         hating horrendous horrible horribly horrific horrified hell humiliated idiot idiots killed miserable murder nasty \
         nightmare pathetic rage ruin ruined scam scammed scammer scammers terrible terribly theft torture toxic trash traumatic \
         vile war worst",
    ),
];

/// Phrases that mean something else than their words.
pub(super) const PHRASES: &[(f32, &str)] = &[
    // Answers that refuse with thanks: neither glad nor the opposite of it.
    (0.0, "no thanks"),
    (0.0, "no, thanks"),
    (0.0, "no thank you"),
    (0.0, "no, thank you"),
    (0.0, "issued"),
    (0.0, "kinds"),
    (0.0, "what kind"),
    (-1.3, "too expensive"),
    (-1.3, "so expensive"),
    (-1.3, "very expensive"),
    (-1.3, "too late"),
    (-1.3, "too hard"),
    (-1.3, "so late"),
    (1.5, "no problem"),
    (1.5, "no problems"),
    (1.5, "no issues"),
    (1.0, "no worries"),
    (1.6, "not bad"),
    (2.0, "can't complain"),
    (1.2, "looking forward"),
    (2.5, "well done"),
    (2.5, "thank you"),
    (1.6, "thumbs up"),
    (2.2, "blown away"),
    (-1.8, "not working"),
    (-1.8, "doesn't work"),
    (-1.8, "does not work"),
    (-1.8, "didn't work"),
    (-1.8, "did not work"),
    (-1.8, "isn't working"),
    (-1.8, "won't work"),
    (-2.0, "fed up"),
    (-2.0, "let down"),
    (-2.2, "ripped off"),
    (-2.2, "rip off"),
    (-1.6, "no good"),
    (-1.5, "sick of"),
    (-1.5, "tired of"),
    (-1.8, "thumbs down"),
    (-1.0, "too long"),
    (-1.2, "no way"),
    (0.0, "would like"),
    (0.0, "i'd like"),
    (0.0, "we'd like"),
    (0.0, "looks like"),
    (0.0, "look like"),
    (0.0, "like this"),
    (0.0, "like that"),
    (0.0, "feel like"),
    (0.0, "is like"),
    (0.0, "as well"),
    (0.0, "credit card"),
    (0.0, "well as"),
    (0.0, "kind of"),
    (0.0, "how well"),
    (0.0, "can you help"),
    (0.0, "please help"),
    (0.0, "need help"),
    (0.0, "help me"),
    (0.0, "pretty please"),
];

/// Signs that say how somebody feels.
pub(super) const EMOTICONS: &[(f32, &str)] = &[
    (2.0, ":)"),
    (2.0, ":-)"),
    (2.2, ":d"),
    (2.0, "=)"),
    (1.6, ";)"),
    (2.6, "<3"),
    (-2.0, ":("),
    (-2.0, ":-("),
    (-2.2, ":'("),
    (-1.4, ":/"),
];

/// Words that turn what follows.
pub(super) const NEGATIONS: &[&str] = &[
    "not", "no", "never", "neither", "nor", "none", "nobody", "nothing", "nowhere", "without", "hardly", "barely",
    "rarely", "seldom", "cannot", "cant", "dont", "doesnt", "didnt", "isnt", "wasnt", "arent", "werent", "wont",
    "wouldnt", "couldnt", "shouldnt", "aint", "hasnt", "havent", "hadnt", "lack", "lacks", "lacking",
];

/// Words that make what follows stronger, or weaker.
pub(super) const STRONGER: &[&str] = &[
    "absolutely",
    "amazingly",
    "awfully",
    "completely",
    "deeply",
    "enormously",
    "entirely",
    "especially",
    "exceptionally",
    "extremely",
    "fully",
    "fucking",
    "greatly",
    "highly",
    "hugely",
    "incredibly",
    "insanely",
    "intensely",
    "more",
    "most",
    "particularly",
    "pretty",
    "purely",
    "quite",
    "really",
    "remarkably",
    "seriously",
    "so",
    "such",
    "super",
    "thoroughly",
    "too",
    "totally",
    "truly",
    "unbelievably",
    "unusually",
    "utterly",
    "very",
];
pub(super) const WEAKER: &[&str] = &[
    "almost",
    "kinda",
    "less",
    "little",
    "marginally",
    "occasionally",
    "partly",
    "scarcely",
    "slightly",
    "somewhat",
    "sorta",
    "fairly",
    "bit",
    "mildly",
    "rather",
];

/// Words behind which a sentence says what it means.
pub(super) const TURNS: &[&str] = &["but", "however", "yet"];
