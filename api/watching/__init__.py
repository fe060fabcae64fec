"""Watching the appliance: alarms with words, what each step takes, and a file for whoever helps.

`alarms.current(services)` is the door for people's questions; `observing` wraps what composition puts together, so that
no use case knows that it is measured. Counters are in `api.telemetry`, traces in `api.tracing`, log lines in `api.logs`.
"""
