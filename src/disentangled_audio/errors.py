"""The error whose message is written for the person who runs the project."""


class UserError(ValueError):
    """Input or parameters that the person running the project can put right.

    The message names the file, key or value and says what to do; the command line shows
    it without a traceback.
    """
