"""Lesson 2: the chain rule on a graph. Slopes along a way are multiplied."""

# %% gears
def first(a):
    return 3.0 * a


def second(y):
    return 2.0 * y


h = 0.001
print(round((second(first(1.0 + h)) - second(first(1.0))) / h, 6))

# %% forward
def trip_forward(km, use, price, toll):
    # step 1: how much petrol
    litres = use * km
    # step 2: what it costs
    petrol = price * litres
    # step 3: the toll on top
    out = petrol + toll
    return out

# %% values
km, use, price, toll = 100.0, 0.06, 2.0, 5.0
litres = use * km
petrol = price * litres
out = petrol + toll

print(litres, "litres,", petrol, "euros of petrol,", out, "euros in all")

# %% by_hand
dout = 1.0

dpetrol = dout * 1.0       # out = petrol + toll
dtoll = dout * 1.0

dprice = dpetrol * litres  # petrol = price * litres
dlitres = dpetrol * price

duse = dlitres * km        # litres = use * km
dkm = dlitres * use

print("dkm =", dkm, "  duse =", duse)
print("dprice =", dprice, "  dtoll =", dtoll)

# %% measured
h = 1e-4
more = trip_forward(km + h, use, price, toll)
less = trip_forward(km - h, use, price, toll)

print(round((more - less) / (2 * h), 6))

# %% trace
import micrograd as mg
import numpy as np

numbers = [np.array(value) for value in (km, use, price, toll)]
graph = mg.trace(trip_forward, *numbers).backward(1.0)

for name in ("km", "use", "price", "toll"):
    print("d" + name, "=", graph.grad[name])

# %% dollars
graph.backward(1.1)  # one euro more is 1.1 dollars more

print("dkm =", graph.grad["km"].round(6))

# %% table
def slope(f, u, h=1e-5):
    return (f(u + h) - f(u - h)) / (2 * h)


u = 1.7
print("u**2       ", round(slope(lambda u: u**2, u), 6), round(2 * u, 6))
print("u**3       ", round(slope(lambda u: u**3, u), 6), round(3 * u**2, 6))
print("1 / u      ", round(slope(lambda u: 1 / u, u), 6), round(-1 / u**2, 6))
print("np.sqrt(u) ", round(slope(np.sqrt, u), 6), round(0.5 / np.sqrt(u), 6))
print("np.exp(u)  ", round(slope(np.exp, u), 6), round(np.exp(u), 6))
print("np.log(u)  ", round(slope(np.log, u), 6), round(1 / u, 6))

# %% exercise
def speed_forward(d, t, c):
    # step 1: the speed
    v = d / t
    # step 2: its square
    e = v**2
    # step 3: times a constant
    out = c * e
    return out

# %% lesson
lesson = {
    "forward": trip_forward,
    "arguments": {"km": km, "use": use, "price": price, "toll": toll},
    "upstream": 1.0,
    "mistakes": ("gamma_missing", "swapped_value", "return_order"),
    "exercise": {
        "forward": speed_forward,
        "shapes": {"d": (), "t": (), "c": ()},
        "kind": "line",
        "blanks": 4,
        "seed": 1,
    },
}
