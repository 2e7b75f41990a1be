"""Web frameworks in front of an inbox, or of a verification alone: each reads the body raw, before any parsing.

`relay.receiver.adapters.aiohttp`, `.asgi` (Starlette, FastAPI) and `.wsgi` (Flask, Django); `.door` is what they
share, and needs none of them.
"""
