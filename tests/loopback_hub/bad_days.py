"""The bad days of the loopback Hub: what goes wrong, at which endpoint, how often.

A request plays the oldest fault that fits it and has turns left, and only that one.
"""

import threading

from .faults import Corruption, CutAnswer, CutRequest, Delay, Failure, Fault, LostAnswer

_MESSAGES = {
    400: "Bad request",
    401: "Invalid credentials in Authorization header",
    403: "Authorization error: this token may not do that",
    404: "Repository not found",
    409: "A conflicting operation is in progress",
    429: "Too many requests",
}


class Faults:
    """Switches the bad days on; every call returns the fault, whose `played` counts."""

    def __init__(self, endpoints: frozenset[str]) -> None:
        self._endpoints = endpoints
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def fail(
        self,
        method: str,
        endpoint: str,
        *,
        status: int = 500,
        times: int | None = 1,
        skip: int = 0,
        path: str = "*",
        message: str | None = None,
        error_code: str | None = None,
        retry_after: int | None = None,
    ) -> Fault:
        """An error answer; 404 has the error code RepoNotFound if no other is given."""
        text = message or _MESSAGES.get(status, "Internal error, we are looking into it")
        code = error_code or ("RepoNotFound" if status == 404 else None)
        headers = {
            "X-Error-Message": text,
            **({"X-Error-Code": code} if code else {}),
            **({"Retry-After": str(retry_after)} if retry_after is not None else {}),
        }
        return self.add(
            Failure(
                method=method,
                endpoint=endpoint,
                path=path,
                status=status,
                body={"error": text},
                headers=headers,
                times=times,
                skip=skip,
            )
        )

    def refuse_card(self, message: str, *, times: int | None = None) -> Fault:
        """The Hub finds this fault with every card."""
        body = {"errors": [{"message": message}], "warnings": []}
        return self.add(
            Failure(endpoint="validate-yaml", status=400, body=body, headers={}, times=times)
        )

    def delay(
        self, method: str, endpoint: str, seconds: float, *, times: int | None = None
    ) -> Fault:
        """The Hub is slow."""
        return self.add(Delay(method=method, endpoint=endpoint, seconds=seconds, times=times))

    def cut_upload(
        self, *, after: int = 1, times: int | None = 1, skip: int = 0, endpoint: str = "lfs-upload"
    ) -> Fault:
        """The connection breaks in the middle of an upload: a large file, or "commit"."""
        return self.add(CutRequest(endpoint=endpoint, after=after, times=times, skip=skip))

    def lose_answer(self, endpoint: str, *, times: int | None = 1, skip: int = 0) -> Fault:
        """What was asked is done, and the client does not hear of it."""
        return self.add(LostAnswer(endpoint=endpoint, times=times, skip=skip))

    def cut_download(
        self, path: str = "*", *, after: int = 0, times: int | None = 1, abruptly: bool = False
    ) -> Fault:
        """The connection ends in the middle of a file; abruptly: with a reset.

        huggingface_hub keeps what has come in pieces of 10 MiB: it asks for the rest of a larger
        file, and for the whole of a smaller one. It does not try again after a reset.
        """
        return self.add(
            CutAnswer(
                method="GET",
                endpoint="resolve",
                path=path,
                after=after,
                abruptly=abruptly,
                times=times,
            )
        )

    def corrupt_download(self, path: str = "*", *, times: int | None = None) -> Fault:
        """A file comes with its right length and ETag, and with a wrong byte."""
        return self.add(Corruption(method="GET", endpoint="resolve", path=path, times=times))

    def add(self, fault: Fault) -> Fault:
        """Adds a fault, one of your own too.

        Raises:
            ValueError: If there is no such endpoint.
        """
        if fault.endpoint not in ("*", *self._endpoints):
            known = ", ".join(sorted(self._endpoints))
            raise ValueError(f"no endpoint {fault.endpoint!r}: there are {known}")
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """The Hub is well again."""
        with self._lock:
            self._faults.clear()

    def find(self, method: str, endpoint: str, path: str) -> Fault | None:
        """The fault that a request plays, if any."""
        with self._lock:
            return next((f for f in self._faults if f.takes(method, endpoint, path)), None)
