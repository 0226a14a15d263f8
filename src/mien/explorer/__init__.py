"""The explorer: trained runs as a page to play with, from a small server or as a folder of static files."""
