"""The load test: `python3 tests/stress_test.py --jobs=100 --workers=10`; `--help` says what else there is.

By itself it starts everything it needs: servers, stand-ins, bot and workers. With --url it loads a running deployment.
"""

if __name__ == "__main__":
    from environment import enter

    enter()

    import typer

    from benchmarks.load.stress import main

    typer.run(main)
