"""A local stand-in for the three services Neurocards talks to: Telegram, KIE and OpenAI.

One process, one port, no accounts. The product's code runs against it unchanged, by base URL alone; tests switch
faults on over HTTP and read from the journal what each service was really asked. See docs/sandbox.md.
"""
