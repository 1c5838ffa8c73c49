"""Releases and bundles brought to devices, wave after wave, by the cloud itself."""
