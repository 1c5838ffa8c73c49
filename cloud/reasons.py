"""Why a clip was not made, as each role hears it. Pure."""

from cloud.access.roles import Role

NOT_MADE = "the clip could not be made; an operator is told why"
FOR_ALL = ("stand_in: ", "settings have changed", "rendering did not keep up")


def told(error: str | None, role: Role) -> str | None:
    """Give what a role hears of why something was not made: what it says of the server is for operators.

    What the constraints say is for everyone: whoever looks may know why there is nothing to see.
    """
    if error is None or role >= Role.OPERATOR or error.startswith(FOR_ALL):
        return error
    return NOT_MADE
