"""What a visitor is told when something does not work: what is inside is the business of operators only."""

from cloud.access.roles import Caller, Role
from cloud.objects import ObjectsError
from cloud.store import StoreError

UNWELL = "Something does not work; whoever runs this is told what"


def knows_inside(caller: Caller) -> bool:
    """Tell whether what does not work, and where the broker is, is the caller's business."""
    return caller.may(Role.OPERATOR) and caller.scope.is_everything


def told(error: Exception, caller: Caller) -> str:
    """Say what went wrong: of store and objects, whose places the messages name, only to who knows them."""
    is_inside = isinstance(error, StoreError | ObjectsError)
    return UNWELL if is_inside and not knows_inside(caller) else str(error)
