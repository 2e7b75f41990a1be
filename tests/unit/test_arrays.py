from uuid import UUID

from relay.store.arrays import flags, names, numbers

ID = UUID("6f0c5a3e-0000-4000-8000-000000000001")


def test_numbers_are_written_as_postgresql_reads_them() -> None:
    assert numbers([1, None, -7, 2**62, 0.5, 1e-07]) == "{1,NULL,-7,4611686018427387904,0.5,1e-07}"


def test_flags_are_written_as_postgresql_reads_them() -> None:
    assert flags([True, False]) == "{t,f}"


def test_names_are_written_as_postgresql_reads_them() -> None:
    assert names([ID, None, "endpoint_removed"]) == f"{{{ID},NULL,endpoint_removed}}"


def test_no_values_are_an_empty_array() -> None:
    assert numbers([]) == flags([]) == names([]) == "{}"
