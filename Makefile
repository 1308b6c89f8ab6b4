# The same commands as `./wardgate`, for those whose hands type make.

.PHONY: run test lint lock bench

run: ## make run [PORT=9000] [DIRECTORY=path.yaml]
	@./wardgate run $(if $(PORT),--port '$(PORT)') $(if $(DIRECTORY),--directory '$(DIRECTORY)')

test:
	@./wardgate test

lint:
	@./wardgate lint

lock: ## after a change of the dependencies in pyproject.toml
	@./wardgate lock

bench: ## make bench [QUICK=1]
	@./wardgate bench $(if $(QUICK),--quick)
