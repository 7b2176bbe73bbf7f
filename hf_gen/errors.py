"""The one exception that is meant to be read by a person, not by a debugger."""


class UserError(Exception):
    """One sentence that names the value, the rule it breaks and the remedy.

    The command line prints it alone and exits with code 2; the demo shows it as it is.
    """
