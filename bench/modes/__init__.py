"""The ways to use a model. A mode names the capability that it needs, so models and tasks never meet in code."""

from .job import Job as Job
from .mode import MODES as MODES
from .mode import Mode as Mode
from .mode import all_settings as all_settings
from .mode import every_table as every_table
from .mode import mode_settings as mode_settings
from .mode import space_of as space_of
from .mode import versions_of as versions_of
