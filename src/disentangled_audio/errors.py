"""The error whose message is written for the user."""


class UserError(ValueError):
    """An error in input or parameters that the user can correct.

    The message names the file, key or value and says what to do. Commands show it without a
    traceback.
    """
