"""What Relay is compared with: each makes the same POSTs with the same signatures, in a process of its own.

`python -m tests.bench.peers.NAME load|work --dsn DSN --task FILE [--setting NAME]`
"""
