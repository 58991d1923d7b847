"""The HTTP API: routes over an app, events, metrics, and the server they run in."""
