"""Results on object storage: a copy of a store's records in the cache, where commands work as in any folder."""

from .mirror import local as local
from .mirror import named as named
from .mirror import uploading as uploading
from .mirror import url_of as url_of
from .mirror import writing_file as writing_file
from .store import is_url as is_url
