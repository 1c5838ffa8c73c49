"""Captioners of Hugging Face classes: loaded with what they need, exported to ONNX, asked for references."""
