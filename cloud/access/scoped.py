"""Scopes as conditions of a query over devices."""

from sqlalchemy import ColumnElement

from cloud.access.roles import Scope
from cloud.schema import DeviceRow


def within(scope: Scope) -> list[ColumnElement[bool]]:
    """Give what is true of the devices of a scope: `select(…).where(*within(caller.scope))`."""
    return [
        column == name for column, name in zip((DeviceRow.tenant, DeviceRow.site), scope.names, strict=False)
    ]
