# Every command makes its own environment first; a second call finds it made.
.DEFAULT_GOAL := help
.PHONY: help setup demo test evidence lint sbc rivals lock clean

help:
	@echo "make demo      run the main job on a table that ships with the package; results in demo/"
	@echo "make test      style, types, the map's arrows, and all tests but the campaigns among them"
	@echo "make evidence  these: public and simulated tables sampled in full, and runs killed at random moments"
	@echo "make lint      style, types and the map's arrows alone"
	@echo "make sbc       simulation-based calibration, 1,000 replications of each case, resumable (some hours)"
	@echo "make rivals    an environment for the benchmarks, .venv-rivals, with what we compare with"
	@echo "make lock      pin the newest versions of everything anew"
	@echo "make clean     remove the environment and everything that was made"

setup:
	@bash .ci/setup

demo: setup
	.venv/bin/bayes-dsl demo

test: lint
	.venv/bin/python -m pytest -n 2 --dist worksteal -m "not evidence"

evidence: setup
	.venv/bin/python -m pytest -n 2 --dist worksteal -m evidence

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

sbc: setup
	bash .ci/sbc --record

rivals:
	@bash .ci/setup .venv-rivals benchmarks/requirements-rivals.lock

lock:
	bash .ci/lock

clean:
	rm -rf .venv .venv-* demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
