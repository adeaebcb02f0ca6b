"""Broken on purpose: the package imported here does not exist."""

import a_package_that_is_not_there  # noqa: F401
