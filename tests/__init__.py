"""The tests. Run all of them with `python -m pytest -n auto`."""
