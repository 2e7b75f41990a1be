from relay.demo.proof import Finding, Proof
from relay.demo.report import MOST_NAMED, Report, lines_of


def report(*findings: Finding, trouble: str = "", invoices: int | None = 3) -> Report:
    proof = Proof(
        committed=5,
        rolled_back=2,
        expected=9,
        received=11,
        accepted=9,
        retried=2,
        duplicates=0,
        findings=findings,
    )
    return Report(
        proof=proof,
        transactions=3,
        undone=1,
        invoices=invoices,
        logged=9,
        refused=3,
        rescued=1,
        seconds=1.25,
        trouble=trouble,
    )


def lost(name: str) -> Finding:
    return Finding(kind="lost", event_id=name, endpoint="crm", what="committed, and never arrived")


def text(of: Report) -> str:
    return "\n".join(lines_of(of))


def test_a_whole_report_says_so_in_lines_that_fit_a_terminal() -> None:
    whole = report()

    assert whole.is_whole
    assert "lost 0, unexpected 0, signature failures 0, altered 0" in text(whole)
    assert "Whole: every committed event arrived" in text(whole)
    assert max(map(len, text(whole).splitlines())) <= 80


def test_what_is_wrong_is_named_up_to_a_limit() -> None:
    harmed = report(*(lost(f"event-{number}") for number in range(MOST_NAMED + 3)))

    assert not harmed.is_whole
    assert f"lost {MOST_NAMED + 3}, unexpected 0" in text(harmed)
    assert f"event-{MOST_NAMED - 1} " in text(harmed)
    assert f"event-{MOST_NAMED} " not in text(harmed)
    assert "and 3 more" in text(harmed)
    assert "NOT WHOLE" in text(harmed)


def test_a_demo_that_ended_early_is_not_whole() -> None:
    assert not report(trouble="the relay ended with status 1").is_whole
    assert "the relay ended with status 1" in text(report(trouble="the relay ended with status 1"))


def test_business_rows_without_their_transactions_are_not_whole() -> None:
    assert not report(invoices=4).is_whole
    assert "app.invoices has 4 rows" in text(report(invoices=4))


def test_what_could_not_be_read_is_called_unknown() -> None:
    assert "unknown  rows of app.invoices" in text(report(invoices=None))
