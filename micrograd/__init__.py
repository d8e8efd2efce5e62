from micrograd.engine import Tensor, Value, gradients, no_grad
__version__="0.1.0"
