"""In-house models without a class: plain functions, scikit-learn estimators, and files that run in another environment.

FunctionModel(embed=...)            Python callables
EstimatorModel(pipeline)            a scikit-learn estimator on raw sequences
SubprocessModel(python, file)       a file of functions, run by another interpreter
model_from_file, card_from_file     a file of functions, named on the command line
"""

from .estimators import EstimatorModel
from .files import card_from_file, model_from_file
from .functions import FUNCTIONS, FunctionModel
from .process import SubprocessModel

__all__ = ["FUNCTIONS", "EstimatorModel", "FunctionModel", "SubprocessModel", "card_from_file", "model_from_file"]
