"""What object stores say, in one line."""

import re

import pytest

from cloud.refusal import advice, is_of_bucket, said

ASKED = "Error performing PUT https://key:word@s3.example.com/b/a?uploadId=7 in 5 ms"
ANSWERED = f"Generic S3 error: {ASKED} - Server returned non-2xx status code"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Generic LocalFileSystem error: full\n\nDebug source:\nmore", "Generic LocalFileSystem error: full"),
        (f"{ANSWERED}: 403 Forbidden: ", "PUT at https://s3.example.com: 403 Forbidden"),
        (
            f"{ANSWERED}: 400 Bad Request: <?xml?>\n<Error><Code>A</Code><Message>b\n c</Message>",
            "PUT at https://s3.example.com: 400 Bad Request, A: b c",
        ),
        (
            f"{ASKED} - HTTP error\n\nDebug source: TimedOut",
            "PUT at https://s3.example.com: no answer in time",
        ),
        (f'{ASKED} - HTTP error\n\n message: "refused"', "PUT at https://s3.example.com: refused"),
        (f"{ASKED} - worded otherwise", "PUT at https://s3.example.com: the connection broke"),
        ("", ""),
    ],
)
def test_it_is_said_in_one_line_without_what_is_in_the_address(text: str, line: str) -> None:
    assert said(RuntimeError(text)) == line


def test_how_long_an_answer_is_does_not_matter() -> None:
    told = said(RuntimeError(f"{ANSWERED}: 400 Bad Request: <Code>A</Code><Message>{'b' * 9000}"))
    assert len(told) < 300


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"{ANSWERED}: 301 Moved: <Code>PermanentRedirect</Code>", "AWS_REGION"),
        (f"{ANSWERED}: 403 Forbidden: <Code>RequestTimeTooSkewed</Code>", "clock"),
        (f"{ANSWERED}: 500 Internal Server Error", "in trouble"),
        ("Generic LocalFileSystem error: Permission denied", "^$"),
    ],
)
def test_what_to_do_is_said_where_it_is_known(text: str, what: str) -> None:
    assert re.search(what, advice(RuntimeError(text)))


def test_a_bucket_is_told_from_an_object() -> None:
    assert is_of_bucket(RuntimeError("<Code>NoSuchBucket</Code>"))
    assert not is_of_bucket(RuntimeError("<Code>NoSuchKey</Code><Message>NoSuchBucket</Message>"))
