"""Serve OTX Web: `python app.py`, and what a Hugging Face Space runs."""

from otx_web.app import serve
from otx_web.settings import Settings

if __name__ == "__main__":
    serve(Settings())
