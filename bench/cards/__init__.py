"""From what a user names or writes to Task, ModelCard and Suite."""
