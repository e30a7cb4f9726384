"""Small applications to read and to run; the first lines of each say how."""
