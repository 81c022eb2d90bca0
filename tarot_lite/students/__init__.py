"""Students: the models that are measured and trained.

`make` gives the run's student of a name.  The CPU profiles make their own, tiny and from scratch (`tiny`); `load` takes a
folder that `Student.save` or ``transformers`` wrote.
"""

from transformers.utils.logging import disable_progress_bar

from tarot_lite.students.folders import load
from tarot_lite.students.making import make
from tarot_lite.students.student import Completion, Student, StudentError
from tarot_lite.students.warmup import Recipe, tiny

__all__ = ["Completion", "Recipe", "Student", "StudentError", "load", "make", "tiny"]

disable_progress_bar()  # a bar for every save and load of a model this small is noise in a notebook
