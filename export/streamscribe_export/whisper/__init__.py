"""Whisper: its weights, read from a checkpoint or a CTranslate2 folder, as graphs of our own."""
