"""The list of cameras, one of which is shown."""

from collections.abc import Awaitable, Callable

from nicegui import ui
from nicegui.elements.html import Html

from cloud.catalog import CameraView
from cloud.page import markup


class CameraList:
    """Buttons by camera, in the order of their names."""

    def __init__(self, choose: Callable[[str], Awaitable[None]]) -> None:
        self._choose = choose
        self._buttons: dict[str, Html] = {}
        self._content: dict[str, str] = {}
        self._list = ui.element("nav").classes("cameras").props('aria-label="Cameras"')

    def show(self, cameras: list[CameraView], chosen: str | None, now_ms: int) -> None:
        """Show these, with one of them marked."""
        for place, camera in enumerate(cameras):
            content = markup.camera_card(camera, now_ms)
            button = self._buttons.get(camera.id)
            if button is None:
                with self._list:
                    button = ui.html(content, tag="button").classes("camera")
                button.on("click", lambda _event, camera_id=camera.id: self._choose(camera_id))
                button.move(target_index=place)
                self._buttons[camera.id] = button
            elif self._content[camera.id] != content:
                button.set_content(content)
            self._content[camera.id] = content
        self.mark(chosen)

    def mark(self, chosen: str | None) -> None:
        """Mark the camera that is shown."""
        for camera_id, button in self._buttons.items():
            if camera_id == chosen:
                button.classes(add="chosen")
            else:
                button.classes(remove="chosen")
