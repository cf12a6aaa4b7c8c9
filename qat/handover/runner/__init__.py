"""What a bundle brings to the vendor's image: Python 3.8, torch 1.10 on, numpy and the plugin; nothing else of qat.

`rtseg-qat handover` copies this folder beside `run.py`, so its files import one another by relative names.
"""
