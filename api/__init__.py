"""Everything that makes Kyso a service: HTTP, ledger, jobs, sandbox, command line."""
