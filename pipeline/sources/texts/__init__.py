"""Pieces that lines of many formats are made of: quoted cells, pairs, headers, JSON as it is written."""
