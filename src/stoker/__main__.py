"""`python -m stoker`, where the console script is not on the path."""

import sys

from stoker.cli.main import main

sys.exit(main())
