"""The layers that exercises come with: forward functions, one step per line, in plain NumPy.

`micrograd.marker.exercises.exercises` reads them as text; their backward passes are made from their graphs.
"""
