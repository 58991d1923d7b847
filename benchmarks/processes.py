"""Processes, beside their peers.

Every process that ``forkserver`` makes imports this file again, so it imports nothing at the top:
what the benchmarks need must not make that peer slower.
"""

if __name__ == "__main__":
    from common import main
    from process_cases import benchmarks

    main("processes", "Processes, beside their peers.", benchmarks)
