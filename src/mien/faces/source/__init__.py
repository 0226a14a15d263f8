"""Sources of faces: folders, archives and tables that people have, read into pictures and attributes."""
