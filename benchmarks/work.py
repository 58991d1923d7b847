"""What the processes execute. Imports nothing: peers import it in each new process."""


def noop():  # type: ignore[no-untyped-def]
    pass


def send_noop(pipe):  # type: ignore[no-untyped-def]
    pipe.send(noop())
    pipe.close()
