"""What is stated of a clip, signed: documents, keys, checks."""
