# The goals that a person, a release and CI use. Each says what it does; none asks.
#
#   make demo     a simulated traffic camera, by mms://, at http://localhost:8090/
#   make test     every test, with the programs and players it is tested against
#   make bench    the figures, each against its floor
#   make check    format, lints, documentation, tables against docs
#   make wheel    the Python module as one file, with an FFmpeg of its own; see docs/WHEEL.md
#   make install  the program, its man pages and completions below PREFIX
#   make clean    everything that the goals above made

PREFIX ?= /usr/local
# Seconds after which `make demo` ends by itself; empty is never.
DEMO_SECONDS ?=
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
HEADWATER := $(TARGET)/release/headwater

.PHONY: all demo test test-tools bench check wheel install clean

all: build-tools
	$(CARGO) build --release --package cli

demo: all
	@HEADWATER='$(HEADWATER)' DEMO_SECONDS='$(DEMO_SECONDS)' scripts/demo

test: test-tools
	@CARGO='$(CARGO)' scripts/test

bench: build-tools
	@if [ -x bench/run.sh ]; then bench/run.sh; else $(CARGO) xtask bench; fi

check: build-tools
	@$(CARGO) xtask check

wheel: build-tools
	@scripts/install-missing wheel
	@scripts/build-wheel

install: all
	install -D -m 755 '$(HEADWATER)' '$(DESTDIR)$(PREFIX)/bin/headwater'
	install -d '$(DESTDIR)$(PREFIX)/share/man/man1' '$(DESTDIR)$(PREFIX)/share/bash-completion/completions' \
		'$(DESTDIR)$(PREFIX)/share/zsh/site-functions' '$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d'
	'$(HEADWATER)' man '$(DESTDIR)$(PREFIX)/share/man/man1'
	'$(HEADWATER)' completions bash > '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/headwater'
	'$(HEADWATER)' completions zsh > '$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_headwater'
	'$(HEADWATER)' completions fish > '$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/headwater.fish'

clean:
	$(CARGO) clean
	rm -rf .venv target/test-tools

.PHONY: build-tools
build-tools:
	@scripts/install-missing build

test-tools:
	@scripts/install-missing build test
