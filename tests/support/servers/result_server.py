"""A server of one execution's result, page by page in both formats, and of whatever else a test wants it to say."""

import csv
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

NIL = "<nil>"


def as_csv(names, rows):
    """Rows of texts, None for NULL, as Go's writer of CSV has them."""
    lines = [names, *([NIL if value is None else value for value in row] for row in rows)]
    return "".join(",".join(map(_field, line)) + "\n" for line in lines).encode()


def _field(text):
    needs_quotes = any(character in text for character in ',"\r\n') or text.startswith((" ", "\t"))
    return '"' + text.replace('"', '""') + '"' if needs_quotes else text


def json_page(names, rows):
    """Rows of values as a page in JSON."""
    rows = [dict(zip(names, row, strict=True)) for row in rows]
    return json.dumps({"result": {"rows": rows, "metadata": {"column_names": names}}}).encode()


class ResultServer:
    """Serves rows that are given as texts (for CSV) and as JSON values.

    `change` may be set to a function of the request's path, its options and the answer (a dict of ``status``, ``body``
    and ``headers``), which changes the answer in place; it may add a ``length`` that is not the body's, or None where
    the end of the connection is that of the body, and pieces of a ``rest`` that are sent after it.
    """

    ID = "01JEXECUTION"

    def __init__(self, names, types, texts, values=None, *, max_rows=None, max_values=None):
        self.names, self.types, self.texts = names, types, texts
        self.values = [dict(zip(names, row, strict=True)) for row in (values if values is not None else texts)]
        self.max_rows, self.max_values = max_rows, max_values
        self.state, self.is_finished = "QUERY_STATE_COMPLETED", True
        self.total = len(texts)
        self.bytes = 1000
        self.requests = []
        self.change = lambda path, options, answer: None
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                url = urlsplit(self.path)
                options = dict(parse_qsl(url.query))
                server.requests.append((url.path.rpartition(server.ID)[2], options))
                answer = server.answer(url.path, options)
                server.change(url.path, options, answer)
                self.send_response(answer["status"])
                for name, value in answer["headers"].items():
                    self.send_header(name, str(value))
                if (length := answer.get("length", len(answer["body"]))) is not None:
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(answer["body"])
                for piece in answer.get("rest", ()):
                    self.wfile.write(piece)
                if "length" in answer:
                    self.close_connection = True

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def answer(self, path, options):
        metadata = {
            "column_names": self.names,
            "column_types": self.types,
            "total_row_count": self.total,
            "total_result_set_bytes": self.bytes,
        }
        about = {"execution_id": self.ID, "state": self.state, "is_execution_finished": self.is_finished}
        if path.endswith("/status"):
            return _json(about | {"result_metadata": metadata, "error": self.error()})
        chosen = next(csv.reader([options["columns"]])) if "columns" in options else self.names
        rows = self.rows(options)
        offset, limit = int(options.get("offset", 0)), int(options.get("limit", len(rows)))
        most = min(limit, self.max_rows or limit, self.max_values // len(chosen) if self.max_values else limit)
        page = rows[offset : offset + most]
        end = offset + len(page)
        following = end if end < len(rows) else None
        if path.endswith("/csv"):
            places = [self.names.index(name) for name in chosen] if chosen is not self.names else range(len(self.names))
            body = as_csv(chosen, [[self.texts[number][place] for place in places] for number in page])
            address = f"{self.url}/api/v1/execution/{self.ID}/results/csv?offset={following}"
            headers = {"x-dune-next-offset": following, "x-dune-next-uri": address} if following else {}
            return {"status": 200, "body": body, "headers": {"Content-Type": "text/csv"} | headers}
        values = [{name: self.values[number][name] for name in chosen} for number in page]
        metadata |= {"column_names": chosen, "row_count": len(values)}
        return _json(about | {"result": {"rows": values, "metadata": metadata}, "next_offset": following})

    def rows(self, options):
        """The numbers of the rows that fulfil the one kind of filter that it knows: a column is a text."""
        numbers = range(len(self.texts))
        if "filters" in options:
            column, _, text = options["filters"].rpartition(" AND ")[2].partition(" = ")
            text = text.strip("'")
            numbers = [number for number in numbers if self.values[number][column.strip('"')] == text]
        if "sample_count" in options:
            numbers = list(numbers)[-int(options["sample_count"]) :]
        return numbers

    def error(self):
        return {"type": "FAILED_TYPE_EXECUTION_FAILED", "message": "boom"} if "FAILED" in self.state else None


def _json(body):
    return {"status": 200, "body": json.dumps(body).encode(), "headers": {"Content-Type": "application/json"}}
