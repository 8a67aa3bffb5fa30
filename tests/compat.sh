#!/bin/sh
# Puts transformers 4.51.3, which the official evaluation pipeline pins, beside the installed one: .venv/compat-4.51 goes in
# front of PYTHONPATH for the export tests alone. Run from the repository root; without it those tests skip.
set -e
"${PYTHON:-.venv/bin/python}" -m pip install --quiet --upgrade --target .venv/compat-4.51 --no-deps \
    transformers==4.51.3 tokenizers==0.21.1 huggingface-hub==0.31.0 requests urllib3 charset-normalizer certifi
