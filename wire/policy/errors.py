"""What is wrong with constraints."""


class PolicyError(ValueError):
    """A constraint cannot be used; the message names table and key, and what to do."""


class UnknownConstraintError(PolicyError):
    """A packet binds its receiver by what this version does not know: it may not be used at all."""
