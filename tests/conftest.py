pytest_plugins = [
    "tests.support.strict",
    "tests.support.database",
    "tests.support.full",
    "tests.support.interrupts",
    "tests.support.reports",
]
