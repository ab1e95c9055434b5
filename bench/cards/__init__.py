"""Tasks, model cards and suites from the names, files and objects that a user gives."""
