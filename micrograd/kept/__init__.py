"""Keep files whose contents are executed, in the user's cache folder: who may write there, and who is believed."""
