# Everything runs in .venv, which uv builds from uv.lock; uv itself comes into .uv by pip.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin

.PHONY: setup demo test check lint clean

setup: .venv/.ready

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# A stamp, so that a finished environment costs nothing to check.
.venv/.ready: pyproject.toml uv.lock | .uv/bin/uv
	.uv/bin/uv sync --locked --extra all --python $(PYTHON)
	touch $@

demo: setup
	$(BIN)/embzip demo -o demo

test: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

clean:
	rm -rf .venv .uv demo
