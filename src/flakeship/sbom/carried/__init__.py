"""What the files of a store path carry inside: crates, Go modules and Python packages, as the files themselves state them."""
