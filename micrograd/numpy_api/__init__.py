"""Compose NumPy's functions of primitives: what `np.sum(t)` does, for a tensor `t`, is looked up in these tables."""

from micrograd.numpy_api.functions import FUNCTIONS, UFUNCS, call_function, call_ufunc
from micrograd.numpy_api.scipy import of_scipy

__all__ = ["FUNCTIONS", "UFUNCS", "call_function", "call_ufunc", "of_scipy"]
