"""Two images side by side: which packages, layers and settings differ. Nothing here reads anything."""
