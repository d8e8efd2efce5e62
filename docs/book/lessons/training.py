"""What batch norm does in training: the figures of `make claims`, read from the page that it wrote."""

# %% read
import re
from pathlib import Path

text = Path(__file__).parents[2].joinpath("explanation", "claims.md").read_text(encoding="utf-8")
sections = {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}
VERDICTS = {
    "A large initial learning rate, and fast decay": "For the claim.",
    "Less need for dropout and L2": "Neither for nor against.",
    "No local response normalization": "Neither for nor against.",
    "Full shuffling": "For the claim.",
    "Figure 1: faster, and steadier inside": "Neither for nor against.",
}
for title, verdict in VERDICTS.items():  # the words of both pages were written for these
    found = re.search(r"^\*\*(.+?)\*\*", sections[title], re.MULTILINE)
    if found is None or found[1] != verdict:
        raise ValueError(f"claims.md says of {title!r}: {found and found[1]}; write the book's page again")


def table(title):
    """Return the rows of a claim's table, each under its first cells, down to the first figure."""
    lines = [line for line in sections[title].splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return rows[0], rows[2:]


def accuracy(cell):
    return cell.partition(";")[0].replace(" %", "\N{NO-BREAK SPACE}%")


rate, regular, local, order, figure = (table(title)[1] for title in VERDICTS)
rates = {row[0]: [accuracy(cell) for cell in row[1:]] for row in rate}
regular = {tuple(row[:2]): row[2:] for row in regular}
local = {row[0]: row[1:] for row in local}
order = {row[0]: row[1:] for row in order}
figure = {tuple(row[:2]): row[2:] for row in figure}
trainings = re.search(r"(\d+) trainings", text)[1]
