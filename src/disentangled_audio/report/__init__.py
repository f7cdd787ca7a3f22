"""All prose that the program writes: the report's page, its sentences, the terminal's tables."""
