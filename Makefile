.DEFAULT_GOAL := help
.PHONY: help run demo test lint lock up down
# Modules are compiled once and kept: without byte code every start takes seconds longer.
unexport PYTHONDONTWRITEBYTECODE

PYTHON_HERE = .venv/bin/python

help: ## say what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start everything in one process with demonstration data (PORT=8000, INFRASHARE_DATA=./var)
	@tools/setup
	@exec $(PYTHON_HERE) -m deploy.embedded

demo: ## play the main job through as four people; DEPLOYED=1: on PostgreSQL and RabbitMQ
	@tools/setup
ifdef DEPLOYED
	@$(PYTHON_HERE) -m deploy.servers install postgresql rabbitmq-server
	@exec $(PYTHON_HERE) -m deploy.journey --deployed
else
	@exec $(PYTHON_HERE) -m deploy.journey
endif

test: ## run all tests, with private servers; ARGS="-k slot" is handed to pytest
	@tools/setup dev
	@$(PYTHON_HERE) -m deploy.servers install
	@exec $(PYTHON_HERE) -m pytest $(ARGS)

lint: ## check format, style, types, imports and templates
	@tools/setup dev
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/djlint --lint --quiet services shared

lock: ## choose package versions anew (with uv) and write them down with their hashes
	@command -v uv >/dev/null || { echo "uv is needed: pip install uv"; exit 1; }
	UV_PYTHON_DOWNLOADS=never uv lock --upgrade
	uv export --quiet --frozen --no-emit-project --no-dev -o requirements.txt
	uv export --quiet --frozen --no-emit-project -o requirements-dev.txt
	{ head -n 1 deploy/requirements-mail.txt; \
	  awk '/^[a-z]/ { keep = /^(aiosmtpd|atpublic|attrs)==/ } keep && !/^ *#/' requirements-dev.txt; } > .lock.new
	mv .lock.new deploy/requirements-mail.txt

up: ## start everything in containers and wait until it answers (needs Docker with Compose)
	@deploy/secrets.sh
	@tools/compose build catalogue-web mail
	@tools/compose up -d
	@tools/compose exec -T catalogue-web python -m deploy.healthy --all
	@echo "ready $${PUBLIC_URL:-http://localhost:$${HTTP_PORT:-8080}}"

down: ## stop the containers; what they stored stays
	@tools/compose down
