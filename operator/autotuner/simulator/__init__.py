"""A simulated engine: an OpenAI-compatible server whose timings follow from SGLang's or vLLM's flags.

The pure part (flags, memory, step costs, scheduler, virtual client) runs without a server and without a clock;
`server` drives the same scheduler in real time.
"""
