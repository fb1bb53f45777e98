"""A task for what runs already: a space that is worth a search, traffic and goals, with a reason for each choice."""
