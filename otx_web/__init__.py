"""The web app: pages, history, queue, uploads. Never imports an engine."""
