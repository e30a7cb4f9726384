"""What hangs on the board on its first day: how many hours ago, and what. The oldest comes first."""

from examples.showcase.drafts import Draft

SEEDS = [
    (
        24 * 9,
        Draft(
            "Welcome to the board",
            "This is the board in the hallway: pin up what the neighbours should know, ask for what you need, and take "
            "a note down when it has done its work.\n\n"
            "There is no sign-up. Be kind, write so that a stranger understands it, and leave the last drawing pin for "
            "somebody else.",
            "The caretaker",
        ),
    ),
    (
        24 * 8 + 3,
        Draft(
            "Who has a long ladder?",
            "A kite is in the lime tree in the yard, a red one with a tail, and its owner is five years old and very "
            "sad. Half an hour would do. There is cake.",
            "Leyla, ground floor",
        ),
    ),
    (
        24 * 6 + 5,
        Draft(
            "Piano in the afternoon",
            "I practise from three to four, and I know that the walls are thin. If it is a bad day for scales, knock "
            "twice and I will play something slow instead.",
            "Ingrid, 3rd floor",
        ),
    ),
    (
        24 * 4 + 2,
        Draft(
            "Sourdough starter looking for a home",
            "He is called Gerald, he is four years old and he doubles in six hours. Comes with a jar and a recipe for "
            "rye bread. Feed him once a week, talk to him if you like.",
            "Tom\u00e1s",
        ),
    ),
    (
        24 * 3 + 7,
        Draft(
            "Found: one small blue mitten",
            "It was on the stairs between the first and the second floor, left hand, with a snowflake. It is waiting "
            "on the radiator by the letter boxes and looks a little lonely.",
            "Mara",
        ),
    ),
    (
        50,
        Draft(
            "Book club: we are reading something short",
            "Thursday at seven, in the kitchen of number 12. This month: The Summer Book by Tove Jansson. You may come "
            "without having read it, but not without an opinion on biscuits.",
            "June & Omar",
        ),
    ),
    (
        21,
        Draft(
            "The good bicycle pump is back",
            "It hangs beside the cellar door again, the gauge works, and the adapter for the thin valves is tied to it "
            "with string. Please leave it there, or at least leave a note.",
            "Pavel",
        ),
    ),
    (
        3,
        Draft(
            "Tomatoes! Please take some!",
            "The balcony has got out of hand. There is a crate by the lift: the small yellow ones are sweet, the "
            "striped ones look strange and taste best.\n\nBring the crate back up when it is empty. Or full of plums.",
            "Ayumi, 5th floor",
        ),
    ),
]
