"""The champion in use: one ONNX file from raw strings to a probability, and the server that answers with it."""
