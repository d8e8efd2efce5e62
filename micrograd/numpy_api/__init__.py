"""Let NumPy's functions work on tensors."""

from micrograd.numpy_api.functions import FUNCTIONS, UFUNCS, call_function, call_ufunc

__all__ = ["FUNCTIONS", "UFUNCS", "call_function", "call_ufunc"]
