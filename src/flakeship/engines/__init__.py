"""Container engines of this machine: where they listen, and their API. Nothing else imports docker's SDK."""
