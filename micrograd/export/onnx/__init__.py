"""Write programs as ONNX files."""
