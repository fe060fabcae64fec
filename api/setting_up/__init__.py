"""The first set-up of an appliance: what is asked, what is checked, the steps, and what is noted between them.

No words here and no terminal (`api.cli.setup` has both), so that an answers file and a person get the same. The doors:
`answers.Answers`, `checks.all_checks`, `steps.Setup`.
"""
