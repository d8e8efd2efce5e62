"""Build the playground: one page in which micrograd itself runs, in the browser, with nothing to install.

`micrograd.playground.lab` builds the page; `micrograd.playground.running` is what runs in it.
"""
