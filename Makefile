# Everything runs in .venv, which uv builds from uv.lock; uv itself comes into .uv by pip.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin

.PHONY: setup programs demo test install-check check lint clean

setup: .venv/.ready

.uv/bin/uv:
	@command -v $(PYTHON) >/dev/null || { echo 'no $(PYTHON) was found: `apt-get install python3-venv python3-dev g++`'; exit 1; }
	@$(PYTHON) scripts/prepare.py tools
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# A stamp, so that a finished environment costs nothing to check. Compiled as pip does, once for all:
# where PYTHONDONTWRITEBYTECODE is set, each process would compile TensorFlow again, half its start.
.venv/.ready: pyproject.toml uv.lock | .uv/bin/uv
	.uv/bin/uv sync --locked --extra all --compile-bytecode --python $(PYTHON)
	touch $@

demo: setup
	$(BIN)/embzip demo -o demo

# A browser, unzip, Node and compilers come first: without them, tests would fail after minutes.
programs:
	@$(PYTHON) scripts/prepare.py programs

# A file's tests stay in one process, which shares what its fixtures made; the order is conftest's.
test: programs setup
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# The README's pip commands, and the wheel under the other Pythons there are: no cache, three minutes.
install-check: setup
	$(BIN)/python -m tests.install

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: programs lint test

clean:
	rm -rf .venv .uv demo
