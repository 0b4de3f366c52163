"""Face recognition as a library: an RGB array in, faces out; no HTTP and no asyncio.

Entry points: `factory.open_recognizer`, which gives a `recognizer.Recognizer`.
"""
