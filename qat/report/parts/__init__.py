"""The report's parts: from what the stages measured to lines, bars and cells ready to be shown."""
