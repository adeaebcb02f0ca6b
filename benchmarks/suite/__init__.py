"""The asv suite. Compilation happens in setup; what it costs is a benchmark of its own (cold.py).

Whatever is registered is enrolled by itself (plugins.py): an optimizer, activation or loss from a plugin that is installed in
the environment becomes a row of the dashboard. asv takes less for better, so accuracy is tracked as error.
"""
