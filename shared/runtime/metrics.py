"""What is counted, with labels that cannot grow without bound."""

from prometheus_client import Counter, Gauge

MESSAGES = Counter("wardgate_messages_total", "Messages consumed, by what became of them.", ["topic", "outcome"])
LATE_ANSWERS = Counter("wardgate_late_answers_total", "Answers that came when nobody waited for them any more.")
WAITING = Gauge("wardgate_waiting_requests", "Requests of browsers that wait for an answer in this process.")
