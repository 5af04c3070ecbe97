"""The code location: definitions for the site that is found (NILOMETER_SITE, the current folder, the demo, or none).

No logic belongs here; see `assets.build`.
"""

import logging

from assets.build import build_defs
from pipeline.site import find_site

_site = find_site()
logging.getLogger("nilometer").warning("site: %s (%s)", _site.root.name, _site.origin)
defs = build_defs(_site)
