"""Runs on a workstation: trains networks, exports them to ONNX, verifies bundles."""
