"""Sources of faces: folders, archives and tables, read into pictures and attributes."""
