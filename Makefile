# `make run` and `make test` do everything on a fresh Debian 12 machine; the rest is for daily work.
PORT ?= 8080
STATE ?= state
RUN = .venv/bin/

.PHONY: help setup setup-test run test check format lint types contracts web fast clean bench-idle bench-relay bench-guide setup-bench bench-zap bench-iot bench-iot-flash

help:            ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup:           ## packages, environment and page libraries; leaves .venv/bin/gateway and headend
	@packaging/setup run

setup-test:
	@packaging/setup test

setup-bench:
	@packaging/setup bench

run: setup       ## the box with a demo head-end and demo devices; prints the address to open
	@exec $(RUN)gateway demo --state $(STATE) --port $(PORT)

test: setup-test lint types contracts web  ## every check that needs no hardware
	@packaging/lanes

check: setup-test lint types contracts web fast  ## what must hold before each commit, in a few minutes

format:
	$(RUN)ruff format .
	$(RUN)ruff check --fix .

lint:
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	git ls-files -z | xargs -0 $(RUN)codespell

types:
	$(RUN)mypy

contracts:
	$(RUN)lint-imports

web:
	@cd gateway/ui/web && ../../../packaging/npm run --silent check

fast:
	$(RUN)pytest -q -m "not board and not slow"

bench-idle: setup-test  ## start, memory and processor of the idle box, beside peers
	$(RUN)python bench/idle.py

bench-relay: setup-test  ## what the relay costs and loses: ten minutes of faults, 20 channels, an hour at speed
	$(RUN)python -m bench.relay

bench-guide: setup-test  ## a million programmes: taking them in, and reading them meanwhile
	$(RUN)python bench/guide.py

bench-zap: setup-bench  ## a change of channel, seen in light, beside five other players (45 minutes)
	$(RUN)python -m bench.zap $(ZAP)

bench-iot: setup-bench  ## from a sensor's report to the command, beside Home Assistant and bare clients (ten minutes)
	$(RUN)python -m bench.iot $(IOT)

bench-iot-flash: setup-test  ## what a house of a hundred devices writes to the flash (a quarter of an hour)
	$(RUN)python -m bench.iot_flash

clean:           ## everything that was made here, the demo's state too
	rm -rf .venv build dist state .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf gateway/ui/web/node_modules gateway/ui/web/vendor tests/peers/node_modules tests/peers/*/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
