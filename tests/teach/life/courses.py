# ==== linear_activation_forward linear_activation_backward
import numpy as np


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z)), Z


def relu(Z):
    return np.maximum(0, Z), Z


def sigmoid_backward(dA, cache):
    Z = cache
    s = 1 / (1 + np.exp(-Z))
    return dA * s * (1 - s)  #~ return dA * s :: gamma_missing #~ return dA * Z * (1 - Z) :: swapped_value


def relu_backward(dA, cache):
    Z = cache
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0  #~ dZ[Z >= 0] = 0 :: mask #~ dZ[dA <= 0] = 0 :: mask swapped_value
    return dZ


def linear_forward(A, W, b):
    return np.dot(W, A) + b, (A, W, b)


def linear_backward(dZ, cache):
    A_prev, W, b = cache
    dW = np.dot(dZ, A_prev.T)  #~ dW = np.dot(A_prev, dZ.T) :: transposed
    db = np.sum(dZ, axis=1, keepdims=True)  #~ db = np.sum(dZ, axis=0, keepdims=True) :: wrong_axis #~ db = np.sum(dZ, keepdims=True) :: no_axis #~ db = np.sum(dZ, axis=1) :: keepdims
    dA_prev = np.dot(W.T, dZ)  #~ dA_prev = np.dot(W.T, A_prev) :: swapped_value upstream_ignored
    return dA_prev, dW, db


def linear_activation_forward(A_prev, W, b, activation):
    Z, linear_cache = linear_forward(A_prev, W, b)
    if activation == "sigmoid":
        A, activation_cache = sigmoid(Z)
    else:
        A, activation_cache = relu(Z)
    return A, (linear_cache, activation_cache)


def linear_activation_backward(dA, cache, activation):
    linear_cache, activation_cache = cache
    if activation == "relu":
        dZ = relu_backward(dA, activation_cache)
    elif activation == "sigmoid":
        dZ = sigmoid_backward(dA, activation_cache)  #~ dZ = relu_backward(dA, activation_cache) :: operator mask #~ dZ = dA :: gamma_missing swapped_value
    dA_prev, dW, db = linear_backward(dZ, linear_cache)  #~ dA_prev, dW, db = linear_backward(dA, linear_cache) :: swapped_value gamma_missing mask wrong_path
    return dA_prev, dW, db  #~ return dW, dA_prev, db :: return_order
# ---- called
def draw(rng, i):
    n, m, k = [(3, 2, 4), (2, 5, 3)][i % 2]
    return dict(A_prev=rng.standard_normal((n, k)), W=rng.standard_normal((m, n)), b=rng.standard_normal((m, 1)))


def out(A_prev, W, b):
    return np.concatenate([linear_activation_forward(A_prev, W, b, kind)[0] for kind in ("relu", "sigmoid")])


def gradients(dout, A_prev, W, b):
    halves = np.split(dout, 2)
    parts = [linear_activation_backward(d, linear_activation_forward(A_prev, W, b, kind)[1], kind) for d, kind in zip(halves, ("relu", "sigmoid"))]
    return tuple(one + other for one, other in zip(*parts))
# ==== Dense
import numpy as np


class Layer:
    def __init__(self):
        self.input = None

    def forward(self, input):
        raise NotImplementedError

    def backward(self, output_gradient):
        raise NotImplementedError


class Dense(Layer):
    def __init__(self, input_size, output_size):
        super().__init__()
        self.weights = np.random.randn(output_size, input_size)
        self.bias = np.random.randn(output_size, 1)

    def forward(self, input):
        self.input = input
        return np.dot(self.weights, self.input) + self.bias

    def backward(self, output_gradient):
        self.weights_gradient = np.dot(output_gradient, self.input.T)  #~ self.weights_gradient = np.dot(output_gradient, self.input.T) / len(self.input) :: count #~ self.weights_gradient = np.dot(self.input, output_gradient.T) :: transposed
        self.bias_gradient = np.sum(output_gradient, axis=1, keepdims=True)  #~ self.bias_gradient = output_gradient :: unsummed #~ self.bias_gradient = np.mean(output_gradient, axis=1, keepdims=True) :: count
        return np.dot(self.weights.T, output_gradient)  #~ return np.dot(self.weights_gradient.T, output_gradient) :: swapped_value upstream_ignored
# ---- called
def draw(rng, i):
    n, m, k = [(3, 2, 4), (2, 5, 3)][i % 2]
    return dict(input=rng.standard_normal((n, k)), weights=rng.standard_normal((m, n)), bias=rng.standard_normal((m, 1)))


def made(input, weights, bias):
    layer = Dense(weights.shape[1], weights.shape[0])
    layer.weights, layer.bias = weights, bias
    return layer, layer.forward(input)


def out(input, weights, bias):
    return made(input, weights, bias)[1]


def gradients(dout, input, weights, bias):
    layer, _ = made(input, weights, bias)
    return layer.backward(dout), layer.weights_gradient, layer.bias_gradient
# ==== LayerDense
import numpy as np


class LayerDense:
    def __init__(self, n_inputs, n_neurons, l2=0.0):
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases
        return self.output

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)  #~ self.dweights = np.dot(dvalues.T, self.inputs) :: transposed
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)  #~ self.dbiases = np.sum(dvalues, axis=1, keepdims=True) :: wrong_axis #~ self.dbiases = np.sum(self.inputs, axis=0, keepdims=True) :: swapped_value upstream_ignored
        self.dinputs = np.dot(dvalues, self.weights.T)  #~ self.dinputs = np.dot(dvalues, self.dweights.T) :: swapped_value upstream_ignored
        return self.dinputs
# ---- called
def draw(rng, i):
    n, d, m = [(3, 4, 2), (5, 2, 3)][i % 2]
    return dict(inputs=rng.standard_normal((n, d)), weights=rng.standard_normal((d, m)), biases=rng.standard_normal((1, m)))


def made(inputs, weights, biases):
    layer = LayerDense(*weights.shape)
    layer.weights, layer.biases = weights, biases
    layer.forward(inputs)
    return layer


def out(inputs, weights, biases):
    return made(inputs, weights, biases).output


def gradients(dout, inputs, weights, biases):
    layer = made(inputs, weights, biases)
    layer.backward(dout)
    return layer.dinputs, layer.dweights, layer.dbiases
# ==== SoftmaxWithLoss
import numpy as np


class SoftmaxWithLoss:
    def __init__(self):
        self.loss = None
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        n = self.y.shape[0]
        self.loss = -np.sum(np.log(self.y[np.arange(n), t] + 1e-7)) / n
        return self.loss

    def backward(self, dout=1):
        n = self.t.shape[0]  #~ n = self.y.shape[1] :: wrong_count index
        dx = self.y.copy()  #~ dx = -self.y.copy() :: sign
        dx[np.arange(n), self.t] -= 1  #~ dx[np.arange(n), self.t] += 1 :: sign operator path_sign #~ dx[np.arange(n), self.t] -= 2 :: factor
        dx *= dout
        return dx / n  #~ return dx :: count #~ return dx * n :: count operator power
# ---- called
TARGETS = np.array([0, 2, 1, 2])


def draw(rng, i):
    return dict(x=rng.standard_normal((4, 3)))


def out(x):
    return SoftmaxWithLoss().forward(x, TARGETS)


def gradients(dout, x):
    layer = SoftmaxWithLoss()
    layer.forward(x, TARGETS)
    return (layer.backward(dout),)
# ==== Linear
import numpy as np


class Linear:
    def __init__(self, in_features, out_features):
        self.W = np.zeros((out_features, in_features))
        self.b = np.zeros((out_features, 1))

    def forward(self, A):
        self.A = A
        self.N = A.shape[0]
        self.Ones = np.ones((self.N, 1))
        return A @ self.W.T + self.Ones @ self.b.T

    def backward(self, dLdZ):
        dLdA = dLdZ @ self.W  #~ dLdA = dLdZ @ self.W * self.N :: count
        self.dLdW = dLdZ.T @ self.A  #~ self.dLdW = dLdZ.T @ self.A / self.N :: count #~ self.dLdW = self.A.T @ dLdZ :: transposed
        self.dLdb = dLdZ.T @ self.Ones  #~ self.dLdb = -dLdZ.T @ self.Ones :: sign
        return dLdA
# ---- called
def draw(rng, i):
    n, d, m = [(3, 4, 2), (5, 2, 3)][i % 2]
    return dict(A=rng.standard_normal((n, d)), W=rng.standard_normal((m, d)), b=rng.standard_normal((m, 1)))


def made(A, W, b):
    layer = Linear(*W.shape[::-1])
    layer.W, layer.b = W, b
    return layer, layer.forward(A)


def out(A, W, b):
    return made(A, W, b)[1]


def gradients(dout, A, W, b):
    layer, _ = made(A, W, b)
    return layer.backward(dout), layer.dLdW, layer.dLdb
