"""States of the appliance with real keepers and commands."""
