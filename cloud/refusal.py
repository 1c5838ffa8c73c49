"""What an object store said when it refused something, in one line, and what an operator can do about it.

obstore:  Generic S3 error: Error performing PUT http://127.0.0.1:9000/clips/a.mp4 in 5 ms - Server returned
          non-2xx status code: 403 Forbidden: <?xml ...><Code>AccessDenied</Code><Message>...
here:     PUT at http://127.0.0.1:9000: 403 Forbidden, AccessDenied: ...

All of it is in the text of the exception and nowhere else. Where that is worded otherwise, its first line is
what is said.
"""

import re
from urllib.parse import urlsplit

_REQUEST = re.compile(r"Error performing (?P<method>[A-Z]+) (?P<url>\S+)")
_STATUS = re.compile(r"status code: (?P<status>\d{3}[ A-Za-z]*)")
_CODE = re.compile(r"<Code>(?P<code>\w{1,64})</Code>")
_MESSAGE = re.compile(r"<Message>(?P<message>[^<]{1,200})")
_TROUBLE = re.compile(r'(?:message|error): "(?P<trouble>[^"]{1,200})"')

_NO_BUCKET = "NoSuchBucket"
_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_ADVICE = (
    (_NO_BUCKET, "make that bucket, or name another in [store] objects"),
    ("InvalidAccessKeyId", f"{_KEYS} are not those of this store"),
    ("SignatureDoesNotMatch", f"{_KEYS} do not belong together"),
    ("RequestTimeTooSkewed", "set this machine's clock"),
    ("PermanentRedirect", "AWS_REGION is not that of the bucket"),
    ("AuthorizationHeaderMalformed", "AWS_REGION is not that of the bucket"),
    ("Missing AccessKeyId", f"set {_KEYS}, both"),
    ("Missing SecretAccessKey", f"set {_KEYS}, both"),
    ("/latest/api/token", f"set {_KEYS}: there are none, and this machine has no role of its own"),
    (
        "status code: 403",
        "these credentials may not do that: they need to list, get, put and delete (docs/scaling.md)",
    ),
    ("status code: 5", "the store itself is in trouble: start again once it is well"),
    ("Error performing", "is AWS_ENDPOINT right, and can it be reached from here?"),
)


def said(error: BaseException) -> str:
    """Say in one line what went wrong: the request, the server's answer or why there was none."""
    text = str(error).strip()
    request = _REQUEST.search(text)
    if request is None:
        return text.split("\n", maxsplit=1)[0]
    url = urlsplit(request["url"])
    return f"{request['method']} at {url.scheme}://{url.netloc.rpartition('@')[2]}: {_answer(text)}"


def advice(error: BaseException | None) -> str:
    """Say what can be done about it, after what was said of it; nothing where nothing is known."""
    text = str(error)
    return next((f"; {what}" for sign, what in _ADVICE if sign in text), "")


def is_of_bucket(error: BaseException) -> bool:
    """Tell whether it is the bucket that is missing, and not just an object in it."""
    return f"<Code>{_NO_BUCKET}</Code>" in str(error)


def _answer(text: str) -> str:
    status, code, message = _STATUS.search(text), _CODE.search(text), _MESSAGE.search(text)
    if status is not None:
        parts = [status["status"].strip(), code["code"] if code else ""]
        answer = ", ".join(part for part in parts if part)
        return f"{answer}: {' '.join(message['message'].split())}" if message else answer
    if "TimedOut" in text:
        return "no answer in time"
    trouble = _TROUBLE.search(text)
    return trouble["trouble"] if trouble else "the connection broke"
