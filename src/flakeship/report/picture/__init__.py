"""What is in an image as a picture: a treemap of its packages and layers, as SVG and as a page that can be searched."""
