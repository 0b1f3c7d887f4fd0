"""A server of the results of several executions, whose rows tell which of them they are of."""

import threading

from result_server import ResultServer

NAMES, TYPES = ["n", "t"], ["bigint", "varchar"]


class Executions(ResultServer):
    """Executions, each with so many rows: the first number of an execution's is its own, times 1000.

    Attributes:
        partial: Those that Dune has cut short, which do not say how many rows they have.
    """

    def __init__(self, *sizes):
        super().__init__(NAMES, TYPES, [])
        self.ids = [f"01JEXECUTION{number}" for number in range(len(sizes))]
        self.sizes, self.partial = dict(zip(self.ids, sizes, strict=True)), set()
        self.one_by_one = threading.Lock()

    def answer(self, path, options):
        with self.one_by_one:
            self.ID = path.split("/")[4]
            self.texts = [[str(number), f"text {number % 2}"] for number in self.numbers(self.ID)]
            self.values = [{"n": number, "t": f"text {number % 2}"} for number in self.numbers(self.ID)]
            self.total, self.bytes = len(self.texts), 0
            self.state = f"QUERY_STATE_COMPLETED{'_PARTIAL' if self.ID in self.partial else ''}"
            return super().answer(path, options)

    def numbers(self, execution_id):
        first = 1000 * self.ids.index(execution_id)
        return range(first, first + self.sizes[execution_id])

    def pages(self):
        return sum(path.endswith("/csv") for path, _ in self.requests)

    def all_numbers(self):
        return [number for each in self.ids for number in self.numbers(each)]
