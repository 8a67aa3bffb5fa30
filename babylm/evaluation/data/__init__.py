"""Data of the official tasks: download, layout, tables of users."""
