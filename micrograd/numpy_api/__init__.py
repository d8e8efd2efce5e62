"""Compose NumPy's functions of primitives: what `np.sum(t)` does, for a tensor `t`, is looked up in these tables."""

from micrograd.numpy_api.functions import FUNCTIONS, UFUNCS, call_function, call_ufunc
from micrograd.numpy_api.scipy import SCIPY

__all__ = ["FUNCTIONS", "SCIPY", "UFUNCS", "call_function", "call_ufunc"]
