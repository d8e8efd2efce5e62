"""All claims, one after the other: `make claims`."""

import sys

import figure_1
import learning_rate
import local_response
import regularization
import shuffling
import study

CLAIMS = [module.CLAIM for module in (learning_rate, regularization, local_response, shuffling, figure_1)]

if __name__ == "__main__":
    sys.exit(study.main(CLAIMS))
