# Two commands: `make demo` and `make test`. PIP_ARGS passes options to pip.
# `make recipes` (hours of CPU; WORKERS=16) runs what docs/recipes.md has not measured yet.
PYTHON ?= python3
PIP_ARGS ?=
WORKERS ?= 2
PART ?= 1/3
MINUTES ?= 60
BIN := .venv/bin
# Files in the order that tests/conftest.py gives them, the long ones first.
BY_FILE := -n auto --dist loadfile --no-loadscope-reorder

# Bytecode is kept: without it every process that a test starts compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-all test-part test-oldest quick chaos load clients zoo recipes install clean

demo: .venv/installed
	$(BIN)/suretune demo

# mypy takes half a minute of one core where nothing is cached: beside the tests, said at their end.
test: .venv/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy > .venv/types.log & types=$$!; \
		$(BIN)/pytest $(BY_FILE) -m "not long"; tests=$$?; \
		wait $$types; typed=$$?; cat .venv/types.log; exit $$((tests | typed))

# The long forms, too; and a part of them alone: make test-part PART=2/3 MINUTES=20
test-all: .venv/tested
	$(BIN)/pytest $(BY_FILE)

test-part: .venv/tested
	$(BIN)/pytest -n auto --dist worksteal --part $(PART) --minutes $(MINUTES) -rs

# What depends most on the libraries' inside, with the oldest of them that pyproject.toml allows: a
# version that reads weights in another way may learn wrongly without a word.
OLDEST := transformers==5.17.0 huggingface-hub==1.5.0 tokenizers==0.23.1 peft==0.21.0
test-oldest: .venv/tested
	rm -rf .venv/oldest
	$(BIN)/python -m pip install -q $(PIP_ARGS) --no-deps --target .venv/oldest $(OLDEST)
	PYTHONPATH=.venv/oldest $(BIN)/pytest $(BY_FILE) -m "not long" tests/test_families_matrix.py \
		tests/test_nf4.py tests/test_variants.py tests/test_adapters.py

# What needs neither torch nor a process of its own, for in between.
quick: .venv/tested
	$(BIN)/ruff check .
	$(BIN)/pytest $(BY_FILE) -m "not long and not slow" --quick

# Faults on purpose, at most ninety minutes on two cores; `make test` has a short form of it.
# CHAOS passes options on: make chaos CHAOS='--only kills --seed 7'
chaos: .venv/tested
	PYTHONPATH=tests $(BIN)/python -m chaos --long $(CHAOS)

# 200 streaming clients for ten minutes, some of them rude; `make test` has a short form of it.
load: .venv/tested
	PYTHONPATH=tests $(BIN)/python -m load --long $(LOAD)

# Clients that people use, each with a chat, a stream and an error, behind nginx; they are installed
# outside of this folder (/tmp/suretune-clients): make clients CLIENTS='--only openai,ai.js'
clients: .venv/tested
	PYTHONPATH=tests $(BIN)/python -m clients --write $(CLIENTS)

# Bad adapters and good ones, grown and proved: an hour of the pocket model on two cores, and more
# of a real one: make zoo ZOO='--models pocket,FOLDER --half both'. The long tests have a short form,
# `make test` proves a run with three adapters in it.
zoo: .venv/tested
	PYTHONPATH=tests $(BIN)/python -m zoo --workers $(WORKERS) $(ZOO)

recipes: .venv/installed
	$(BIN)/python recipes/run.py all --workers $(WORKERS)
	$(BIN)/python recipes/page.py

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q $(PIP_ARGS) -c constraints.txt -e .
	touch $@

.venv/tested: .venv/installed
	$(BIN)/python -m pip install -q $(PIP_ARGS) -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf .venv runs .pytest_cache .ruff_cache .mypy_cache .hypothesis
