# Everything here needs Go and make only. "make help" lists the targets.
export CGO_ENABLED := 0

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS   = -s -w -X main.version=$(VERSION)

# The linter is built once for its version and that of Go, outside the tree.
CACHE       = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/salvor/tools
LINTER_MOD := github.com/golangci/golangci-lint/v2
LINTER      = $(CACHE)/golangci-lint-$(shell sed -n 's|^.*$(LINTER_MOD) \(v[^ ]*\).*$$|\1|p' tools/go.mod)-$(shell $(GO) env GOVERSION)/golangci-lint

TEST_TIMEOUT ?= 20m
TEST_FLAGS   ?=
PKGS         ?= ./...
FUZZTIME     ?= 20s
DEMO_FLAGS   ?=

.DEFAULT_GOAL := build

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: build
build: ## Build bin/salvor: static, reproducible
	$(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/salvor ./cmd/salvor

# With CI=true the same tests run under a reporter that lists every skipped
# test and fails on one whose reason is not in .ci/skips.txt.
.PHONY: test
test: vet ## Run the tests (PKGS=./internal/plan for some)
ifeq ($(CI),true)
	$(GO) run -C tools ./testreport -dir .. -skips ../.ci/skips.txt -- $(GO) test -json -timeout $(TEST_TIMEOUT) $(TEST_FLAGS) $(PKGS)
else
	$(GO) test -timeout $(TEST_TIMEOUT) $(TEST_FLAGS) $(PKGS)
endif
	$(GO) test -C tools ./...

.PHONY: check
check: review test ## What a change has to pass: review, then test

.PHONY: review
review: format vet lint tidy ## All checks that run no test

.PHONY: format
format: ## Fail if a file is not formatted
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "not formatted, run make fmt:"; echo "$$out"; exit 1; fi

.PHONY: vet
vet: ## Run go vet
	$(GO) vet $(PKGS)
	$(GO) vet -C tools ./...

.PHONY: tidy
tidy: ## Fail if a go.mod is not tidy
	$(GO) mod tidy -diff
	$(GO) -C tools mod tidy -diff

.PHONY: lint
lint: linter ## Run the linters and the import rules
	@for d in internal/*/; do \
	  grep -qF "files: [\"**/$${d%/}/**\", \"!\$$test\"" .golangci.yml || { echo "$$d has no import rule of its own in .golangci.yml"; exit 1; }; \
	done
	$(LINTER) run ./...

# One lab at a time, on this box, as root; it is put up when it is not there.
# The last line that each prints is how the time of the recovery was spent.
LAB_TESTS := stopped member-lost majority-lost power-cut all-lost machine-dead resumed late-member partitioned rolled-back fence-holds night night-bare agent-pod
# Every fault, diagnosed, and the rarer ones: an hour more, and therefore not in lab-test.
LAB_MORE  := diagnosed diagnosed-more
LAB_KUBEADM  := $(addprefix lab-kubeadm-,$(LAB_TESTS))
LAB_EXTERNAL := $(addprefix lab-external-,$(LAB_TESTS))
LAB_ALL      := $(LAB_KUBEADM) $(LAB_EXTERNAL) $(addprefix lab-kubeadm-,$(LAB_MORE)) $(addprefix lab-external-,$(LAB_MORE))
LAB_TIMEOUT ?= 20m

.PHONY: lab-test
lab-test: ## Wreck and recover real machines in every way, on both layouts (root, Linux)
	@for t in $(LAB_KUBEADM) $(LAB_EXTERNAL); do $(MAKE) --no-print-directory $$t || exit 1; done

# One fault after the other, each with its healing.
$(foreach l,kubeadm external,lab-$(l)-diagnosed lab-$(l)-diagnosed-more): LAB_TIMEOUT = 90m

.PHONY: $(LAB_ALL)
$(LAB_ALL):
	@rto=$$(mktemp) && trap 'rm -f "$$rto"' EXIT && \
	name=$$(echo '$@' | sed 's/^lab-[a-z]*-//; s/\(^\|-\)\([a-z]\)/\U\2/g') && \
	SALVOR_LAB=1 SALVOR_LAB_RTO="$$rto" SALVOR_LAB_LAYOUT=$(word 2,$(subst -, ,$@)) \
	  $(GO) test ./lab/e2e -count=1 -v -timeout $(LAB_TIMEOUT) -run "^Test$$name\$$" && cat "$$rto"

# What Salvor sees of real faults is kept for the tests of its rules. A fixture is
# written anew by the test that its "by" names.
CAPTURED := internal/diagnose/testdata/captured

.PHONY: capture
capture: ## Break real programs and keep what Salvor sees, for the rules' tests
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && \
	SALVOR_CAPTURE="$$new" $(GO) test -count=1 -timeout $(TEST_TIMEOUT) ./test/failures && \
	SALVOR_CAPTURE="$$new" $(GO) test -count=1 -timeout $(TEST_TIMEOUT) ./internal/observe -run '^TestReal' && \
	cp -v "$$new"/* $(CAPTURED)

.PHONY: lab-capture
lab-capture: ## The same with the lab's machines (root, Linux)
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && export SALVOR_CAPTURE="$$new" && \
	$(MAKE) --no-print-directory $(foreach l,kubeadm external,lab-$(l)-diagnosed lab-$(l)-diagnosed-more) && cp -v "$$new"/* $(CAPTURED)

.PHONY: fmt
fmt: linter ## Format the code
	$(LINTER) fmt ./...

# Built under another name and renamed, so that an interrupted build leaves no
# half a linter behind.
.PHONY: linter
linter:
	@test -x '$(LINTER)' || { echo "building $(LINTER) (once, a few minutes)" && \
	  mkdir -p '$(dir $(LINTER))' && \
	  $(GO) -C tools build -trimpath -o '$(LINTER).new' $(LINTER_MOD)/cmd/golangci-lint && \
	  mv '$(LINTER).new' '$(LINTER)'; }

.PHONY: fuzz
fuzz: ## Fuzz every target, each for FUZZTIME (20s)
	@set -e; for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' cmd internal); do \
	  for t in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' $$f); do \
	    echo "== $$t ($$f)"; \
	    $(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$f); \
	  done; \
	done

.PHONY: bench-diagnose
bench-diagnose: ## Measure a full diagnosis of five hosts, two dead, 3 GB each (subjects: make bench once; SALVOR_BENCH=FOLDER)
	SALVOR_BENCH=$${SALVOR_BENCH:-$$HOME/.cache/salvor/bench} $(GO) test -count=1 -v -timeout 30m -run TestDiagnosisInTime ./test/looktime

.PHONY: bench
bench: ## Run all benchmarks
	$(GO) test -run '^$$' -bench . -benchmem $(PKGS)
	$(GO) run ./internal/datadir/bench

.PHONY: demo
demo: build ## Wreck a real etcd and bring it back (DEMO_FLAGS='--scenario all')
	bin/salvor demo $(DEMO_FLAGS)

.PHONY: clean
clean: ## Remove what the build made
	rm -rf bin
