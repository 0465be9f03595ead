"""Messages of any size reach the run whole and in order."""

import json
import threading

import dagster as dg
import pytest

from ctr_assets.launch.messages import WholeLineMessageReader


class Recorder:
    """Stands where Dagster's message handler stands, and keeps what it was handed."""

    def __init__(self):
        self.messages = []

    def handle_message(self, message):
        self.messages.append(message)


def test_a_line_written_in_pieces_is_handed_over_once_and_whole():
    recorder = Recorder()
    message = {"picture": "x" * 300_000}
    with WholeLineMessageReader().read_messages(recorder) as params:
        line = json.dumps(message) + "\n"
        with open(params["path"], "a") as file:
            for start in range(0, len(line), 50_000):
                file.write(line[start : start + 50_000])
                file.flush()
                threading.Event().wait(0.15)
            file.write('{"second": 2}\n')
    assert recorder.messages == [message, {"second": 2}]


def test_a_message_that_is_no_json_is_an_error():
    with (
        pytest.raises(dg.Failure, match="messages of the job could not be read"),
        WholeLineMessageReader().read_messages(Recorder()) as params,
        open(params["path"], "a") as file,
    ):
        file.write("nonsense\n")
