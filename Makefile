# The same commands as `./wardgate`, for those whose hands type make.

.PHONY: run test fuzz chaos lint lock bench

run: ## make run [PORT=9000] [DIRECTORY=path.yaml]
	@./wardgate run $(if $(PORT),--port '$(PORT)') $(if $(DIRECTORY),--directory '$(DIRECTORY)')

test:
	@./wardgate test

fuzz: ## make fuzz [SECONDS=300]: hostile requests at random, for so long
	@FUZZ_SECONDS='$(or $(SECONDS),300)' ./wardgate test tests/hostile/test_fuzz.py -s

chaos: ## make chaos [FAULT='RabbitMQ*'] [JSON=found.json] [WRITE=1]: faults in the middle of 200 logins, and what came of them
	@./wardgate chaos $(if $(FAULT),'$(FAULT)') $(if $(JSON),--json '$(JSON)') $(if $(WRITE),--write)

lint:
	@./wardgate lint

lock: ## after a change of the dependencies in pyproject.toml
	@./wardgate lock

bench: ## make bench [QUICK=1]
	@./wardgate bench $(if $(QUICK),--quick)
