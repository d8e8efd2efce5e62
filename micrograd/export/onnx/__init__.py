"""Write a program as an ONNX file."""
